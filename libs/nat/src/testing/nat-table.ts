/**
 * Address and port translation with the behaviours of RFC 4787: how a mapping is chosen (section 4.1), which port it gets
 * (section 4.2), how long it lives (section 4.3) and who may send to it (section 5).
 */
import type { EndpointDependence } from '../net/endpoint-dependence.ts';
import { transportAddressKey, type TransportAddress } from '../net/transport-address.ts';
import { after, type Instant } from '../time/instant.ts';
import type { SeededRandom } from './seeded-random.ts';

/** Which external port a new mapping gets: the internal one where it is free, a random one, or the last one plus a step. */
export type PortAllocation = 'preserving' | 'random' | { readonly sequentialStep: number };

export interface NatBehaviour {
  /** @default 'endpoint-independent' */
  readonly mapping?: EndpointDependence;
  /** @default 'address-and-port-dependent' */
  readonly filtering?: EndpointDependence;
  /** @default 'preserving' */
  readonly allocation?: PortAllocation;
  /** First and last external port. @default [1024, 65535] */
  readonly portRange?: readonly [number, number];
  /** How long a mapping and its permissions live after the last packet from inside. @default 120000 */
  readonly mappingLifetimeMs?: number;
  /** Whether packets from outside keep a mapping alive too (RFC 4787 REQ-6 makes it optional). @default false */
  readonly inboundRefresh?: boolean;
  /** Whether one internal address keeps one external address where there are several (REQ-2). @default 'paired' */
  readonly pooling?: 'paired' | 'arbitrary';
}

interface Mapping {
  readonly key: string;
  readonly internal: TransportAddress;
  readonly external: TransportAddress;
  expiresAt: Instant;
  /** Filter key of a remote endpoint to the instant at which its permission ends. */
  readonly permitted: Map<string, Instant>;
}

export type InboundResult =
  | { readonly ok: true; readonly internal: TransportAddress }
  | { readonly ok: false; readonly reason: 'no-mapping' | 'filtered' };

const DEFAULT_LIFETIME_MS = 120_000;
const DEFAULT_PORT_RANGE = [1024, 65535] as const;

export class NatTable {
  private readonly behaviour: NatBehaviour;
  private readonly externalAddresses: readonly string[];
  private readonly random: SeededRandom;
  private readonly byKey = new Map<string, Mapping>();
  private readonly byExternal = new Map<string, Mapping>();
  private readonly paired = new Map<string, string>();
  private lastPort: number | undefined;

  constructor(behaviour: NatBehaviour, externalAddresses: readonly string[], random: SeededRandom) {
    this.behaviour = behaviour;
    this.externalAddresses = externalAddresses;
    this.random = random;
  }

  /** Finds or makes the mapping for a packet from inside; `undefined` where no port is left. */
  outbound(internal: TransportAddress, remote: TransportAddress, now: Instant): TransportAddress | undefined {
    const key = `${transportAddressKey(internal)}>${dependenceKey(this.behaviour.mapping ?? 'endpoint-independent', remote)}`;
    const mapping = this.live(this.byKey.get(key), now) ?? this.create(key, internal, now);
    if (mapping === undefined) return undefined;
    mapping.expiresAt = after(now, this.lifetimeMs);
    mapping.permitted.set(this.filterKey(remote), mapping.expiresAt);
    return mapping.external;
  }

  /** Where a packet from outside goes, if the mapping exists and its filter lets the sender through. */
  inbound(external: TransportAddress, remote: TransportAddress, now: Instant): InboundResult {
    const mapping = this.live(this.byExternal.get(transportAddressKey(external)), now);
    if (mapping === undefined) return { ok: false, reason: 'no-mapping' };
    const permittedUntil = mapping.permitted.get(this.filterKey(remote));
    const isPermitted = permittedUntil !== undefined && now < permittedUntil;
    if (
      !isPermitted &&
      (this.behaviour.filtering ?? 'address-and-port-dependent') !== 'endpoint-independent'
    ) {
      return { ok: false, reason: 'filtered' };
    }
    if (this.behaviour.inboundRefresh === true) {
      mapping.expiresAt = after(now, this.lifetimeMs);
      mapping.permitted.set(this.filterKey(remote), mapping.expiresAt);
    }
    return { ok: true, internal: mapping.internal };
  }

  /** How many mappings live. */
  size(now: Instant): number {
    return [...this.byKey.values()].filter((mapping) => now < mapping.expiresAt).length;
  }

  /** Forgets everything, as a NAT that lost its power does. */
  clear(): void {
    this.byKey.clear();
    this.byExternal.clear();
    this.paired.clear();
  }

  private get lifetimeMs(): number {
    return this.behaviour.mappingLifetimeMs ?? DEFAULT_LIFETIME_MS;
  }

  private filterKey(remote: TransportAddress): string {
    return dependenceKey(this.behaviour.filtering ?? 'address-and-port-dependent', remote);
  }

  private live(mapping: Mapping | undefined, now: Instant): Mapping | undefined {
    if (mapping === undefined || now < mapping.expiresAt) return mapping;
    this.byKey.delete(mapping.key);
    this.byExternal.delete(transportAddressKey(mapping.external));
    return undefined;
  }

  private create(key: string, internal: TransportAddress, now: Instant): Mapping | undefined {
    const address = this.externalAddressFor(internal);
    const port = this.allocatePort(address, internal.port, now);
    if (port === undefined) return undefined;
    const external: TransportAddress = { family: internal.family, address, port };
    const mapping: Mapping = { key, internal, external, expiresAt: now, permitted: new Map() };
    this.byKey.set(key, mapping);
    this.byExternal.set(transportAddressKey(external), mapping);
    return mapping;
  }

  private externalAddressFor(internal: TransportAddress): string {
    const known = this.behaviour.pooling === 'arbitrary' ? undefined : this.paired.get(internal.address);
    if (known !== undefined) return known;
    const choice =
      this.behaviour.pooling === 'arbitrary'
        ? this.random.nextInteger(0, this.externalAddresses.length - 1)
        : this.paired.size % this.externalAddresses.length;
    const address = this.externalAddresses[choice] as string;
    this.paired.set(internal.address, address);
    return address;
  }

  private allocatePort(address: string, internalPort: number, now: Instant): number | undefined {
    const [first, last] = this.behaviour.portRange ?? DEFAULT_PORT_RANGE;
    const count = last - first + 1;
    const step = this.allocationStep();
    let port = this.firstChoice(internalPort, first, last, step);
    for (let tried = 0; tried < count; tried += 1) {
      if (this.isFree(address, port, now)) {
        this.lastPort = port;
        return port;
      }
      // A step that shares a factor with the range would not visit every port: single steps after a collision.
      port = first + ((port - first + 1) % count);
    }
    return undefined;
  }

  private allocationStep(): number | undefined {
    const allocation = this.behaviour.allocation ?? 'preserving';
    return typeof allocation === 'object' ? allocation.sequentialStep : undefined;
  }

  private firstChoice(internalPort: number, first: number, last: number, step: number | undefined): number {
    const isInRange = internalPort >= first && internalPort <= last;
    if (step !== undefined && this.lastPort !== undefined) {
      const count = last - first + 1;
      return first + ((((this.lastPort - first + step) % count) + count) % count);
    }
    if (this.behaviour.allocation === 'random' || (step === undefined && !isInRange)) {
      return this.random.nextInteger(first, last);
    }
    return isInRange ? internalPort : first;
  }

  private isFree(address: string, port: number, now: Instant): boolean {
    return (
      this.live(this.byExternal.get(transportAddressKey({ family: 'ipv4', address, port })), now) ===
      undefined
    );
  }
}

/** What of a remote endpoint a mapping or a filter depends on. */
function dependenceKey(dependence: EndpointDependence, remote: TransportAddress): string {
  if (dependence === 'endpoint-independent') return '';
  return dependence === 'address-dependent' ? remote.address : transportAddressKey(remote);
}
