import { networkInterfaces } from 'node:os';
import { scopeOf } from '../../ice/remote-candidate-policy.ts';
import { parseTransportAddress } from '../../net/ip-address.ts';
import type { TransportAddress } from '../../net/transport-address.ts';

export interface HostAddressOptions {
  readonly includeLoopback: boolean;
  readonly limit: number;
}

/** What bridges and tunnels of containers and virtual machines are called: peers elsewhere rarely reach them. */
const VIRTUAL_INTERFACE = /^(docker|br-|veth|virbr|vmnet|vboxnet|cni|flannel|cali|lxc|podman|kube|vEthernet)/;
/** Gap between two ranks, so that peer-reflexive priorities stay apart. */
const RANK_STEP = 16;
const MAX_PREFERENCE = 65_535;

/** An address of this host with its local preference (RFC 8445 section 5.1.2.1). */
export interface HostAddress {
  readonly address: TransportAddress;
  readonly localPreference: number;
}

/**
 * The addresses of this host that a peer may reach, the likeliest first: real interfaces before virtual ones, IPv6 before
 * IPv4 (RFC 8421). IPv6 link-local addresses need a zone that a peer cannot know, so they are left out.
 */
export function hostAddresses(
  port: (family: 'ipv4' | 'ipv6') => number | undefined,
  options: HostAddressOptions,
): readonly HostAddress[] {
  const found: { readonly address: TransportAddress; readonly rank: number }[] = [];
  for (const [name, entries] of Object.entries(networkInterfaces())) {
    for (const { address: text, family, internal } of entries ?? []) {
      if (internal && !options.includeLoopback) continue;
      const boundPort = port(family === 'IPv6' ? 'ipv6' : 'ipv4');
      const address = boundPort === undefined ? undefined : parseTransportAddress(text, boundPort);
      if (address === undefined || (address.family === 'ipv6' && scopeOf(address) === 'link-local')) continue;
      found.push({ address, rank: rankOf(name, internal, address) });
    }
  }
  found.sort((a, b) => a.rank - b.rank);
  return found
    .slice(0, options.limit)
    .map(({ address }, index) => ({ address, localPreference: MAX_PREFERENCE - index * RANK_STEP }));
}

function rankOf(name: string, isInternal: boolean, { family }: TransportAddress): number {
  return (isInternal ? 4 : 0) + (VIRTUAL_INTERFACE.test(name) ? 2 : 0) + (family === 'ipv4' ? 1 : 0);
}
