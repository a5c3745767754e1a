/** The next roster, from the one before and a judgement of everybody; or none, when nothing is to change. */
import type { Instant } from '@parley/nat';
import type { NodeId, NodeRecord } from '../node-record.ts';
import { seatOf, type Roster, type Seat } from '../roster.ts';
import type { ElectionControls } from '../roster-store.port.ts';
import type { AssessedNode, Assessment } from './assessment.ts';
import { assignSlots } from './assignment.ts';
import type { ClusterAlert } from './cluster-io.ts';
import type { ClusterSettings } from './cluster-settings.ts';
import { seatsWithReturned, type ColdStart } from './cold-start.ts';
import type { Decision } from './decision.ts';
import type { ElectionMemory } from './election-memory.ts';
import { seatChanges, regionLoad, type SeatChange } from './seat-changes.ts';
import { seatsForOneLoss } from './seats.ts';

export interface PlanInput {
  readonly roster: Roster;
  readonly assessment: Assessment;
  /** Nobody judges, promotes or demotes anybody as long as all are just starting. */
  readonly coldStart?: ColdStart | undefined;
  readonly controls: ElectionControls;
  readonly memory: ElectionMemory;
  readonly settings: ClusterSettings;
  readonly coordinator: NodeId;
  readonly now: Instant;
}

export interface Plan {
  readonly roster: Roster | undefined;
  readonly decisions: readonly Decision[];
  /** Seats by region that nobody can take. */
  readonly vacant: ReadonlyMap<string, number>;
  /** What a coordinator has to say, and undefined where it has nothing to say any more. */
  readonly alerts: ReadonlyMap<ClusterAlert, string | undefined>;
}

export function plan(input: PlanInput): Plan {
  const { coldStart } = input;
  return coldStart === undefined ? planElection(input) : planReturn(input, coldStart);
}

function planReturn(input: PlanInput, coldStart: ColdStart): Plan {
  const awaited = coldStart.awaited.map(({ nodeId }) => nodeId);
  const changes = coldStart.returned.map(({ member }): SeatChange => {
    const detail = awaited.length === 0 ? 'nobody is awaited' : `awaited: ${awaited.join(', ')}`;
    return { action: 'promote', nodeId: member.record.nodeId, reason: 'returned', detail };
  });
  const alerts = alertsOf(input.assessment, NOTHING_VACANT);
  return nextPlan(input, changes, seatsWithReturned(input.roster, coldStart), {
    vacant: NOTHING_VACANT,
    alerts,
  });
}

function planElection(input: PlanInput): Plan {
  const { roster, assessment, settings } = input;
  const nodes = [...assessment.nodes.values()];
  const { changes, vacant } = seatChanges({
    nodes,
    unknownSeats: roster.seats.filter((seat) => !assessment.nodes.has(seat.nodeId)),
    isFrozen: input.controls.isFrozen || assessment.isMassLeaseLoss || assessment.isNetworkSplit,
    controls: input.controls,
    memory: input.memory,
    settings,
    now: input.now,
  });
  const alerts = alertsOf(assessment, vacant);
  return nextPlan(input, changes, nextSeats(input, changes), { vacant, alerts });
}

function nextPlan(
  input: PlanInput,
  changes: readonly SeatChange[],
  seats: readonly Seat[],
  said: Pick<Plan, 'vacant' | 'alerts'>,
): Plan {
  const { roster, settings } = input;
  if (sameSeats(seats, roster.seats)) return { roster: undefined, decisions: [], ...said };

  const owners = assignSlots({
    slotCount: settings.slotCount,
    boundedLoad: settings.boundedLoad,
    seats,
    previousOwner: (slot) => seatOf(roster, slot)?.nodeId,
    previousWeights: new Map(roster.seats.map((seat) => [seat.nodeId, seat.weight])),
  });
  const epoch = roster.epoch + 1;
  let movedSlots = 0;
  const slotEpochs = owners.map((owner, slot) => {
    const before = seatOf(roster, slot);
    const after = seats[owner];
    const isSame = before?.nodeId === after?.nodeId && before?.incarnation === after?.incarnation;
    if (!isSame) movedSlots += 1;
    return isSame ? (roster.slotEpochs[slot] ?? epoch) : epoch;
  });
  const next: Roster = { epoch, coordinator: input.coordinator, writtenAt: 0, seats, owners, slotEpochs };
  return { roster: next, decisions: decisionsOf(input, changes, next, movedSlots), ...said };
}

function nextSeats(input: PlanInput, changes: readonly SeatChange[]): Seat[] {
  const { roster, assessment } = input;
  const removed = new Set(changes.filter((change) => change.action === 'demote').map(({ nodeId }) => nodeId));
  const isRecovery = changes.length > 0;
  const kept = roster.seats.flatMap((seat) => {
    if (removed.has(seat.nodeId)) return [];
    const record = assessment.nodes.get(seat.nodeId)?.member.record;
    const weight = isRecovery ? seat.weight : grownWeight(seat, input);
    const isOfThisRun = record?.incarnation === seat.incarnation;
    return [{ ...seat, weight, addresses: isOfThisRun ? record.addresses : seat.addresses }];
  });
  const full = kept
    .filter(({ weight }) => weight === 1)
    .flatMap(({ nodeId }) => assessment.nodes.get(nodeId)?.member.record ?? []);
  const added = changes.flatMap(({ action, nodeId }): Seat[] => {
    const record = action === 'promote' ? assessment.nodes.get(nodeId)?.member.record : undefined;
    if (record === undefined) return [];
    const { incarnation, region, addresses } = record;
    const isHeldBack = full.some((other) => startsSlowlyBeside(record, other, input.settings));
    const weight = isHeldBack ? input.settings.slowStartWeight : 1;
    return [{ nodeId, incarnation, region, addresses, weight }];
  });
  return [...kept, ...added];
}

/**
 * Where all are as fresh, holding one back would only load the rest. But those that came before it and carry the clients of all would
 * lose a share of them at once, each of which loses its connection for the second time.
 */
function startsSlowlyBeside(
  { uptimeMs }: NodeRecord,
  other: NodeRecord,
  { slowStartMs, coldStartMs }: ClusterSettings,
): boolean {
  if (slowStartMs === 0) return false;
  const isEarlier = other.uptimeMs >= uptimeMs + coldStartMs;
  return other.uptimeMs >= slowStartMs || (isEarlier && other.load.connections > 0);
}

/** Slow start (DESIGN 5.7): in steps, since each of them is a roster and moves slots. */
function grownWeight(seat: Seat, { memory, settings, now }: PlanInput): number {
  if (seat.weight >= 1) return 1;
  const stepMs = settings.slowStartMs / settings.slowStartSteps;
  if (memory.weightHeldMs(seat, now) < stepMs) return seat.weight;
  const step = (1 - settings.slowStartWeight) / settings.slowStartSteps;
  return Math.min(1, Number((seat.weight + step).toFixed(3)));
}

function sameSeats(next: readonly Seat[], before: readonly Seat[]): boolean {
  return (
    next.length === before.length &&
    next.every((seat, index) => {
      const former = before[index];
      return (
        former?.nodeId === seat.nodeId &&
        former.incarnation === seat.incarnation &&
        former.weight === seat.weight &&
        former.addresses.edge === seat.addresses.edge &&
        former.addresses.stun === seat.addresses.stun
      );
    })
  );
}

function decisionsOf(
  { roster, assessment, coordinator }: PlanInput,
  changes: readonly SeatChange[],
  next: Roster,
  movedSlots: number,
): Decision[] {
  const weights = new Map(roster.seats.map((seat) => [seat.nodeId, seat.weight]));
  const changed = new Set(changes.map((change) => change.nodeId));
  const weighed = next.seats.flatMap((seat): (Omit<SeatChange, 'action'> & { action: 'weigh' })[] => {
    const before = weights.get(seat.nodeId);
    if (before === undefined || before === seat.weight || changed.has(seat.nodeId)) return [];
    const detail = `from ${before} to ${seat.weight}`;
    return [{ action: 'weigh', nodeId: seat.nodeId, reason: 'slow-start', detail }];
  });
  return [...changes, ...weighed].map((change) => {
    const node = assessment.nodes.get(change.nodeId);
    const region =
      node?.member.record.region ?? roster.seats.find((seat) => seat.nodeId === change.nodeId)?.region ?? '';
    return {
      ...change,
      epoch: next.epoch,
      coordinator,
      region,
      score: node?.score,
      terms: node?.terms,
      movedSlots,
    };
  });
}

function alertsOf(
  assessment: Assessment,
  vacant: ReadonlyMap<string, number>,
): ReadonlyMap<ClusterAlert, string | undefined> {
  const withoutSpare = regionsWithoutSpare([...assessment.nodes.values()]);
  const regions = (names: readonly string[]) =>
    names.length > 0 ? `regions: ${names.join(', ')}` : undefined;
  return new Map([
    ['MASS_LEASE_LOSS', assessment.isMassLeaseLoss ? 'those who answer are spared' : undefined],
    ['NETWORK_SPLIT', assessment.isNetworkSplit ? 'leases decide' : undefined],
    ['NO_CANDIDATE', regions([...vacant.keys()])],
    ['NO_SPARE', regions(withoutSpare)],
  ]);
}

/** Regions that could not bear the loss of one more. */
function regionsWithoutSpare(nodes: readonly AssessedNode[]): string[] {
  const alive = nodes.filter((node) => node.verdict !== 'down');
  const regions = new Set(alive.map((node) => node.member.record.region));
  return [...regions].filter((region) => {
    const own = alive.filter((node) => node.member.record.region === region);
    const able = own.filter((node) => node.seat !== undefined || node.objections.length === 0);
    const load = regionLoad(own, (member) => member.averageLoad.connections);
    return able.length < seatsForOneLoss(load);
  });
}

const NOTHING_VACANT: Plan['vacant'] = new Map();
