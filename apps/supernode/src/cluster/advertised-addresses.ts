import { urlOf } from '../listeners.ts';
import { isPublicAddress } from './address-claims.ts';
import type { NodeAddresses } from './node-record.ts';

/** What is known of how this supernode can be reached. */
export interface AddressFacts {
  /** SUPERNODE_EDGE_URL: as the operator says, behind whatever proxy. */
  readonly edgeUrl: string | undefined;
  /** SUPERNODE_PUBLIC_ADDRESS. */
  readonly publicAddress: string | undefined;
  /** What the edge gateway bound, as a URL. */
  readonly boundEdge: string;
  /** The STUN listener as clients are told of it, `address:port`; null without the relay role. */
  readonly stun: string | null;
  /** Addresses of this host, the best first. */
  readonly hostAddresses: readonly string[];
  /** How other supernodes see this one (DESIGN 5.2). */
  readonly reflexiveAddress: string | undefined;
}

const WILDCARDS = ['0.0.0.0', '::'];

/**
 * What this supernode says of how to reach it: what is configured wins; then an address that it was told to bind; then the one
 * that others see, where it is a public one; then one of the host, which serves where all are on one network.
 */
export function advertisedAddresses(facts: AddressFacts): NodeAddresses {
  const { hostname, port } = new URL(facts.boundEdge);
  const boundHost = hostname.replace(/^\[|\]$/g, '');
  const isWildcard = WILDCARDS.includes(boundHost);
  const learnt =
    isWildcard && facts.publicAddress === undefined ? publicOnly(facts.reflexiveAddress) : undefined;
  const host = facts.publicAddress ?? (isWildcard ? (learnt ?? hostAddress(facts, boundHost)) : boundHost);
  return {
    edge: facts.edgeUrl ?? urlOf('http', host, Number(port)),
    stun: learnt === undefined || facts.stun === null ? facts.stun : withHost(facts.stun, learnt),
  };
}

function publicOnly(address: string | undefined): string | undefined {
  return address !== undefined && isPublicAddress(address) ? address : undefined;
}

function hostAddress({ hostAddresses }: AddressFacts, wildcard: string): string {
  const isIpv6 = wildcard === '::';
  return (
    hostAddresses.find((address) => address.includes(':') === isIpv6) ??
    hostAddresses[0] ??
    (isIpv6 ? '::1' : '127.0.0.1')
  );
}

function withHost(transportAddress: string, host: string): string {
  const port = transportAddress.slice(transportAddress.lastIndexOf(':') + 1);
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
