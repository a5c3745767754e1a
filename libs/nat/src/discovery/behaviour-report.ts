/**
 * What is known about the NAT in front of a host, in the words of RFC 4787, and how it follows from what servers saw. Every
 * statement may be `unknown`: one server with one address cannot tell how a mapping depends on addresses.
 */
import type { EndpointDependence } from '../net/endpoint-dependence.ts';
import { sameTransportAddress, type TransportAddress } from '../net/transport-address.ts';
import type { DiscoveryProbe } from './discovery-probe.ts';

/** Which external port a new mapping gets; a sequential one can be predicted. */
export type PortAllocationReport =
  | { readonly kind: 'preserving' | 'random' | 'unknown' }
  | { readonly kind: 'sequential'; readonly step: number };

export interface MappingReport {
  /**
   * How the reflexive address depends on the destination. Where it changes with the address and no second port could be
   * asked, this is the worse of the two, `address-and-port-dependent`.
   */
  readonly behaviour: EndpointDependence | 'unknown';
  readonly dependsOnAddress: boolean | 'unknown';
  readonly dependsOnPort: boolean | 'unknown';
  readonly allocation: PortAllocationReport;
}

export interface FilteringReport {
  readonly behaviour: EndpointDependence | 'unknown';
  /** Whether a datagram from another port of a known address is refused; known even from one server address. */
  readonly dependsOnPort: boolean | 'unknown';
}

export interface NatBehaviourReport {
  /** `blocked`: no server answered. */
  readonly udp: 'works' | 'blocked';
  readonly reflexiveAddress?: TransportAddress;
  /** Whether an address translator is on the way: the reflexive address is none of the host's own. */
  readonly isTranslated?: boolean;
  /** Round trip to the first server that answered at its first transmission. */
  readonly roundTripMs?: number;
  readonly mapping: MappingReport;
  readonly filtering: FilteringReport;
  readonly hairpinning: 'supported' | 'unsupported' | 'unknown';
}

/** The reflexive address that a destination saw for one socket. */
export interface MappingObservation {
  readonly destination: TransportAddress;
  readonly reflexive: TransportAddress;
}

/** What the answers to CHANGE-REQUEST say: whether one came, or that the server cannot do it. */
export interface FilterObservations {
  readonly fromOtherAddressAndPort: boolean | 'unknown';
  readonly fromOtherPort: boolean | 'unknown';
}

/** Steps beyond this are taken for chance. Carrier NATs count by 1 or 2, some by the number of their cores. */
const MAX_SEQUENTIAL_STEP = 64;
const PORT_COUNT = 65_536;
const MIN_SEQUENTIAL_SAMPLES = 3;

/** RFC 5780 section 4.3. The observations are in the order in which their mappings were made. */
export function classifyMapping(
  observations: readonly MappingObservation[],
  localPort: number,
): MappingReport {
  const dependsOnPort = differs(observations, (a, b) => a.destination.address === b.destination.address);
  const dependsOnAddress = differs(observations, (a, b) => a.destination.address !== b.destination.address);
  return {
    behaviour: mappingBehaviour(dependsOnAddress, dependsOnPort),
    dependsOnAddress,
    dependsOnPort,
    allocation: classifyAllocation(observations, localPort),
  };
}

/** RFC 5780 section 4.4. */
export function classifyFiltering({
  fromOtherAddressAndPort,
  fromOtherPort,
}: FilterObservations): FilteringReport {
  if (fromOtherAddressAndPort === true) return { behaviour: 'endpoint-independent', dependsOnPort: false };
  if (fromOtherPort === false) return { behaviour: 'address-and-port-dependent', dependsOnPort: true };
  if (fromOtherPort === 'unknown') return { behaviour: 'unknown', dependsOnPort: 'unknown' };
  return {
    behaviour: fromOtherAddressAndPort === false ? 'address-dependent' : 'unknown',
    dependsOnPort: false,
  };
}

/** A server that answered, and the address that it would answer from on request: of the first that has one, if any has. */
export function firstServerWithAlternate(
  probes: readonly DiscoveryProbe[],
): { readonly server: TransportAddress; readonly other: TransportAddress | undefined } | undefined {
  let plain: TransportAddress | undefined;
  for (const { target, outcome } of probes) {
    if (outcome?.kind !== 'answered' || target.purpose !== 'observe') continue;
    const { other } = outcome;
    if (isUsableAlternate(target.destination, other)) return { server: target.destination, other };
    plain ??= target.destination;
  }
  return plain === undefined ? undefined : { server: plain, other: undefined };
}

/** @param localPort of the mapping socket */
export function buildReport(
  probes: readonly DiscoveryProbe[],
  localAddresses: readonly string[],
  localPort: number,
): NatBehaviourReport {
  const observations = observationsOf(probes);
  const [first] = observations;
  const roundTripMs = firstRoundTripMs(probes);
  const statements = {
    mapping: classifyMapping(observations, localPort),
    filtering: classifyFiltering({
      fromOtherAddressAndPort: arrived(probes, 'change-address'),
      fromOtherPort: arrived(probes, 'change-port'),
    }),
    hairpinning: hairpinningOf(probes),
  } as const;
  if (first === undefined) return { udp: 'blocked', ...statements };
  return {
    udp: 'works',
    reflexiveAddress: first.reflexive,
    isTranslated: !(localAddresses.includes(first.reflexive.address) && first.reflexive.port === localPort),
    ...(roundTripMs === undefined ? {} : { roundTripMs }),
    ...statements,
  };
}

function isUsableAlternate(server: TransportAddress, other: TransportAddress | undefined): boolean {
  return other !== undefined && other.family === server.family && !sameTransportAddress(server, other);
}

function observationsOf(probes: readonly DiscoveryProbe[]): readonly MappingObservation[] {
  return probes.flatMap(({ target, outcome }) =>
    target.socket === 'mapping' && target.purpose === 'observe' && outcome?.kind === 'answered'
      ? [{ destination: target.destination, reflexive: outcome.reflexive }]
      : [],
  );
}

function firstRoundTripMs(probes: readonly DiscoveryProbe[]): number | undefined {
  for (const { outcome } of probes) {
    if (outcome?.kind === 'answered' && outcome.roundTripMs !== undefined) return outcome.roundTripMs;
  }
  return undefined;
}

/** Whether the answer that was asked for from elsewhere came, and came from elsewhere. */
function arrived(
  probes: readonly DiscoveryProbe[],
  purpose: 'change-address' | 'change-port',
): boolean | 'unknown' {
  const probe = probes.find(({ target }) => target.purpose === purpose);
  if (probe?.outcome?.kind === 'no-answer') return false;
  if (probe?.outcome?.kind !== 'answered') return 'unknown';
  const { destination } = probe.target;
  const { from } = probe.outcome;
  const isFromElsewhere =
    purpose === 'change-address' ? from.address !== destination.address : from.port !== destination.port;
  return isFromElsewhere ? true : 'unknown';
}

function hairpinningOf(probes: readonly DiscoveryProbe[]): NatBehaviourReport['hairpinning'] {
  const outcomes = probes
    .filter(({ target }) => target.purpose === 'hairpin')
    .map(({ outcome }) => outcome?.kind);
  if (outcomes.includes('came-back')) return 'supported';
  return outcomes.length === 0 ? 'unknown' : 'unsupported';
}

function mappingBehaviour(
  dependsOnAddress: boolean | 'unknown',
  dependsOnPort: boolean | 'unknown',
): EndpointDependence | 'unknown' {
  if (dependsOnPort === true) return 'address-and-port-dependent';
  if (dependsOnAddress === true)
    return dependsOnPort === false ? 'address-dependent' : 'address-and-port-dependent';
  return dependsOnAddress === false ? 'endpoint-independent' : 'unknown';
}

/** Whether any pair of observations that `isComparable` has different reflexive addresses; unknown without such a pair. */
function differs(
  observations: readonly MappingObservation[],
  isComparable: (a: MappingObservation, b: MappingObservation) => boolean,
): boolean | 'unknown' {
  let result: boolean | 'unknown' = 'unknown';
  for (const [index, a] of observations.entries()) {
    for (const b of observations.slice(index + 1)) {
      if (sameTransportAddress(a.destination, b.destination) || !isComparable(a, b)) continue;
      if (!sameTransportAddress(a.reflexive, b.reflexive)) return true;
      result = false;
    }
  }
  return result;
}

function classifyAllocation(
  observations: readonly MappingObservation[],
  localPort: number,
): PortAllocationReport {
  const ports = [...new Set(observations.map(({ reflexive }) => reflexive.port))];
  if (ports.length === 0) return { kind: 'unknown' };
  if (ports.length === 1) return { kind: ports[0] === localPort ? 'preserving' : 'unknown' };
  if (ports.length < MIN_SEQUENTIAL_SAMPLES) return { kind: 'unknown' };
  const steps = ports.slice(1).map((port, index) => wrappedDifference(port, ports[index] as number));
  const [first] = steps;
  if (
    first !== undefined &&
    steps.every((step) => step === first) &&
    Math.abs(first) <= MAX_SEQUENTIAL_STEP
  ) {
    return { kind: 'sequential', step: first };
  }
  return { kind: 'random' };
}

/** The step from one port to the next, taken the short way around the end of the port range. */
function wrappedDifference(port: number, previous: number): number {
  const difference = (port - previous + PORT_COUNT) % PORT_COUNT;
  return difference > PORT_COUNT / 2 ? difference - PORT_COUNT : difference;
}
