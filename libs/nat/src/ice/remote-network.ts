import type { EndpointDependence } from '../net/endpoint-dependence.ts';

/**
 * What a client knows about the NAT in front of it, as it signs it in its offers and answers. Unknown stays unknown: a guess
 * here would cost the peer thousands of datagrams.
 */
export interface NatReport {
  /** `none`: the socket's own address is the public one. */
  readonly mapping: EndpointDependence | 'none' | 'unknown';
  readonly filtering: EndpointDependence | 'none' | 'unknown';
  readonly portAllocation: 'preserving' | 'sequential' | 'random' | 'unknown';
  /** From one new mapping to the next, where the allocation is sequential. */
  readonly portStep?: number | undefined;
  /** The external port of the mapping that was made last, as sampled just before this was signed. */
  readonly latestPort?: number | undefined;
  /** Whether one socket has different mappings towards two ports of one address; known from a single server. */
  readonly dependsOnPort?: boolean | undefined;
}

/** What `news` leaves out stays as it was. */
export function mergeNetworks(known: RemoteNetwork, news: RemoteNetwork): RemoteNetwork {
  return {
    nat: news.nat ?? known.nat,
    ageMs: news.nat === undefined ? known.ageMs : news.ageMs,
    observedAddresses: news.observedAddresses ?? known.observedAddresses,
  };
}

/** What is known about the peer's side of the internet beside its candidates. */
export interface RemoteNetwork {
  /** As the peer signed it. */
  readonly nat?: NatReport | undefined;
  /** How long ago the peer signed it, in milliseconds: other hosts behind its NAT have taken ports since. */
  readonly ageMs?: number | undefined;
  /** IP addresses, in canonical text, at which a supernode observed the authenticated peer. No guess goes anywhere else. */
  readonly observedAddresses?: readonly string[] | undefined;
}
