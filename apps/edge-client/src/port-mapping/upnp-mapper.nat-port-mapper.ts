import { upnpNat } from '@achingbrain/nat-port-mapper';
import { parseTransportAddress, type TransportAddress } from '@parley/nat';
import type { UpnpDescription } from './upnp-description.ts';

export interface UpnpMappingRequest {
  readonly description: UpnpDescription;
  /** Our address on the way to the gateway. */
  readonly client: string;
  readonly internalPort: number;
  /** What we had before, to get it again. */
  readonly externalPort?: number;
  /** At least an hour: the library asks for no less. */
  readonly lifetimeSeconds: number;
  readonly signal: AbortSignal;
}

/**
 * Asks an internet gateway device of version 2 for a port; the address may be any that the gateway claims.
 *
 * Of the library only this is used. Its search would open what any machine on the network names; its renewal tells no outcome; its
 * deletion names neither the outside port nor the protocol; its NAT-PMP takes answers from everybody and fails the process on a short one.
 *
 * @throws what the library throws
 */
export async function mapByUpnp(request: UpnpMappingRequest): Promise<TransportAddress | undefined> {
  const { description, client, internalPort, externalPort, lifetimeSeconds, signal } = request;
  const gateway = await upnpNat({ autoRefresh: false }).getGateway(description.location, { signal });
  const mapping = await gateway.map(internalPort, client, {
    protocol: 'UDP',
    description: 'Parley',
    ttl: lifetimeSeconds * 1000,
    externalPort: externalPort ?? internalPort,
    autoRefresh: false,
    signal,
  });
  return parseTransportAddress(mapping.externalHost, mapping.externalPort);
}
