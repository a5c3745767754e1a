/** A stateful firewall without translation, as home routers have for IPv6 (RFC 6092): inside may start, outside may answer. */
import type { EndpointDependence } from '../net/endpoint-dependence.ts';
import { transportAddressKey, type TransportAddress } from '../net/transport-address.ts';
import { after, type Instant } from '../time/instant.ts';

export interface FirewallBehaviour {
  /** Which senders may reach an internal endpoint that has sent something. @default 'address-and-port-dependent' */
  readonly filtering?: EndpointDependence;
  /** How long an answer is let through after the last packet from inside. @default 120000 */
  readonly stateLifetimeMs?: number;
}

const DEFAULT_LIFETIME_MS = 120_000;

export class FirewallTable {
  private readonly behaviour: FirewallBehaviour;
  private readonly openUntil = new Map<string, Instant>();

  constructor(behaviour: FirewallBehaviour) {
    this.behaviour = behaviour;
  }

  outbound(internal: TransportAddress, remote: TransportAddress, now: Instant): void {
    this.openUntil.set(
      this.key(internal, remote),
      after(now, this.behaviour.stateLifetimeMs ?? DEFAULT_LIFETIME_MS),
    );
  }

  isOpen(internal: TransportAddress, remote: TransportAddress, now: Instant): boolean {
    const until = this.openUntil.get(this.key(internal, remote));
    return until !== undefined && now < until;
  }

  clear(): void {
    this.openUntil.clear();
  }

  private key(internal: TransportAddress, remote: TransportAddress): string {
    const filtering = this.behaviour.filtering ?? 'address-and-port-dependent';
    const inside = transportAddressKey(internal);
    if (filtering === 'endpoint-independent') return inside;
    return `${inside}<${filtering === 'address-dependent' ? remote.address : transportAddressKey(remote)}`;
  }
}
