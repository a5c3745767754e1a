import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { formatTransportAddress, type TransportAddress } from '@parley/nat';
import { stun } from './stun-package.ts';

/** What an implementation that shares no code with ours says about our reflexive address. */
export interface CrossCheck {
  readonly server: TransportAddress;
  readonly address?: string;
  readonly error?: 'no-answer' | 'no-address';
}

/** Asks by the `stun` package. IPv4 only: the package cannot name an IPv6 server. */
export async function crossCheck(server: TransportAddress): Promise<CrossCheck> {
  const socket = createSocket('udp4');
  try {
    socket.bind(0);
    await once(socket, 'listening');
    // Without a network what is sent fails: the package gets no answer then, which says the same.
    socket.on('error', () => undefined);
    const response = await stun.request(formatTransportAddress(server), { socket, timeout: 200, retries: 3 });
    const address = response.getXorAddress()?.address;
    return address === undefined ? { server, error: 'no-address' } : { server, address };
  } catch {
    // Whatever the package throws: it got no usable answer, which is the finding.
    return { server, error: 'no-answer' };
  } finally {
    socket.close();
  }
}
