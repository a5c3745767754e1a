import { NatError } from '../../errors.ts';
import type { UdpEndpointOptions } from './endpoint-types.ts';
import { EndpointSocket, type EndpointSocketEvents } from './endpoint-socket.ts';

const WILDCARD = { ipv4: '0.0.0.0', ipv6: '::' } as const;

/**
 * One socket per family. A family that the host lacks is left out, unless an address or a port of it was asked for.
 * @throws NatError `NAT_BIND_FAILED`
 */
export async function openSockets(
  bind: NonNullable<UdpEndpointOptions['bind']>,
  events: EndpointSocketEvents,
): Promise<readonly EndpointSocket[]> {
  const sockets: EndpointSocket[] = [];
  let failure: unknown;
  for (const family of ['ipv4', 'ipv6'] as const) {
    const wanted = bind[family] ?? {};
    if (wanted === false) continue;
    const { address = WILDCARD[family], port = 0 } = wanted;
    try {
      sockets.push(await EndpointSocket.open({ family, address, port }, events));
    } catch (error) {
      failure = error;
      if (wanted.address === undefined && wanted.port === undefined) continue;
      await Promise.all(sockets.map((socket) => socket.close()));
      throw error;
    }
  }
  if (sockets.length > 0) return sockets;
  throw new NatError('NAT_BIND_FAILED', 'No UDP socket could be bound.', { cause: failure });
}
