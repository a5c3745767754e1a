/**
 * Which supernodes get a seat and which lose theirs, region by region. Losses are taken and replaced at once, whatever is frozen;
 * everything else waits until its condition has held, and is limited in rate.
 */
import type { Instant } from '@parley/nat';
import type { NodeId } from '../node-record.ts';
import type { ElectionControls } from '../roster-store.port.ts';
import type { AssessedNode, Loss } from './assessment.ts';
import type { ClusterSettings } from './cluster-settings.ts';
import type { DecisionReason } from './decision.ts';
import type { ElectionMemory } from './election-memory.ts';
import { isAbove, isBelow } from './hysteresis.ts';
import { seatsNeeded, seatsTolerated, type RegionLoad } from './seats.ts';

export interface SeatChange {
  readonly action: 'promote' | 'demote';
  readonly nodeId: NodeId;
  readonly reason: DecisionReason;
  readonly detail: string;
}

export interface SeatInput {
  readonly nodes: readonly AssessedNode[];
  /** Seats of supernodes that nothing is known of, because their leases are long gone. */
  readonly unknownSeats: readonly { readonly nodeId: NodeId; readonly region: string }[];
  /** No promotion and no demotion but for losses: by an operator, or because too much looks lost at once. */
  readonly isFrozen: boolean;
  readonly controls: ElectionControls;
  readonly memory: ElectionMemory;
  readonly settings: ClusterSettings;
  readonly now: Instant;
}

export interface SeatChanges {
  readonly changes: readonly SeatChange[];
  /** Seats by region that nobody can take. */
  readonly vacant: ReadonlyMap<string, number>;
}

export function seatChanges(input: SeatInput): SeatChanges {
  const regions = new Set([
    ...input.nodes.map((node) => node.member.record.region),
    ...input.unknownSeats.map((seat) => seat.region),
  ]);
  const changes: SeatChange[] = [];
  const vacant = new Map<string, number>();
  for (const region of [...regions].sort()) {
    const election = new RegionElection(region, input);
    election.run();
    changes.push(...election.changes);
    if (election.vacant > 0) vacant.set(region, election.vacant);
  }
  return { changes: keepSomebody(changes, input), vacant };
}

/** Where nobody is left to take the slots, those who are alive keep their seats, whatever they wished. */
function keepSomebody(changes: readonly SeatChange[], input: SeatInput): SeatChange[] {
  const seated = new Set(input.nodes.flatMap((node) => (node.seat ? [idOf(node)] : [])));
  for (const { action, nodeId } of changes) {
    if (action === 'promote') seated.add(nodeId);
    else seated.delete(nodeId);
  }
  if (seated.size > 0) return [...changes];
  const alive = new Set(input.nodes.filter((node) => node.verdict !== 'down').map(idOf));
  return changes.filter((change) => !(alive.has(change.nodeId) && change.reason !== 'restarted'));
}

class RegionElection {
  readonly changes: SeatChange[] = [];
  vacant = 0;
  private readonly nodes: readonly AssessedNode[];
  private readonly seated: Set<NodeId>;
  private readonly seatsBefore: number;
  private readonly load: RegionLoad;

  constructor(
    private readonly region: string,
    private readonly input: SeatInput,
  ) {
    this.nodes = input.nodes.filter((node) => node.member.record.region === region);
    this.seated = new Set(this.nodes.filter((node) => node.seat !== undefined).map(idOf));
    const unknown = input.unknownSeats.filter((seat) => seat.region === region);
    const restarted = this.nodes.filter((node) => node.loss === 'restarted');
    this.seatsBefore = this.seated.size + restarted.length + unknown.length;
    for (const { nodeId } of unknown) {
      this.changes.push({
        action: 'demote',
        nodeId,
        reason: 'lease-gone',
        detail: 'nobody knows it any more',
      });
    }
    this.load = regionLoad(this.nodes, (load) => load.averageLoad.connections);
  }

  run(): void {
    this.takeLosses();
    this.followPins();
    this.replaceLosses();
    this.fillToMinimum();
    if (this.input.isFrozen) this.input.memory.held.retain(() => false);
    if (this.input.isFrozen || this.changes.length > 0) return;
    // One of these at a time: each changes what the others would look at.
    if (!this.grow() && !this.exchangeWeakest()) this.shrink();
  }

  private takeLosses(): void {
    for (const node of this.nodes) {
      if (node.seat === undefined) {
        // A new run of a seated supernode: its former run holds the seat.
        if (node.loss === 'restarted') this.changes.push(lossOf(node, 'restarted'));
        continue;
      }
      if (node.loss !== undefined) this.remove(node, lossOf(node, node.loss));
    }
  }

  private followPins(): void {
    for (const node of this.nodes) {
      const pin = this.input.controls.pins[idOf(node)];
      if (pin === 'standby' && this.seated.has(idOf(node))) {
        this.remove(node, { action: 'demote', nodeId: idOf(node), reason: 'pinned-standby', detail: '' });
      } else if (pin === 'active' && !this.seated.has(idOf(node)) && isEligible(node)) {
        this.add(node, 'pinned-active', '');
      }
    }
  }

  /** As many as were lost, now or before without anybody to take over. */
  private replaceLosses(): void {
    const lost = this.changes.filter((change) => isLoss(change.reason)).length;
    const owed = lost + this.input.memory.owedIn(this.region);
    const target = Math.min(
      this.input.settings.maximumSeats,
      Math.max(this.seatsBefore, this.seated.size + owed),
    );
    const missing = Math.min(owed, Math.max(0, target - this.seated.size));
    const candidates = this.candidates().slice(0, missing);
    for (const node of candidates) {
      this.add(node, this.seatsBefore === 0 ? 'first-seat' : 'replaces-lost-seat', describe(node));
    }
    this.vacant = missing - candidates.length;
  }

  private fillToMinimum(): void {
    const isFirst = this.seatsBefore === 0 && this.seated.size === 0;
    if (this.input.isFrozen && !isFirst) return;
    const missing = this.input.settings.minimumSeats - this.seated.size;
    for (const node of this.candidates().slice(0, Math.max(0, missing))) {
      this.add(
        node,
        isFirst ? 'first-seat' : 'below-minimum',
        `${this.seatsBefore} of at least ${this.input.settings.minimumSeats} seats; ${describe(node)}`,
      );
    }
  }

  private grow(): boolean {
    const { memory, settings, now } = this.input;
    // Both the load of this moment and the average: a peak alone, or the memory of one, does not count.
    const rawLoad = regionLoad(this.nodes, (member) => member.record.load.connections);
    const needed = Math.min(seatsNeeded(this.load, settings), seatsNeeded(rawLoad, settings));
    const heldMs = memory.held.note(`grow ${this.region}`, needed > this.seated.size, now);
    const best = this.strongCandidates()[0];
    if (heldMs === undefined || heldMs < settings.promoteHeldMs || best === undefined) return false;
    const sinceMs = memory.sincePromotionMs(this.region, now);
    if (sinceMs !== undefined && sinceMs < settings.promotionIntervalMs) return false;
    const clients = Math.round(this.load.connections);
    this.add(best, 'load-needs-it', `${clients} clients need ${needed} seats; ${describe(best)}`);
    return true;
  }

  /** A weak seat is given up only to a strong candidate: overload of all costs nobody a seat. */
  private exchangeWeakest(): boolean {
    const { memory, settings, now } = this.input;
    const candidate = this.strongCandidates()[0];
    let weakest: AssessedNode | undefined;
    for (const node of this.nodes) {
      const key = `weak ${idOf(node)} ${node.member.record.incarnation}`;
      const isWeak = node.seat !== undefined && isBelow(node.rawScore, node.score, settings.demoteScore);
      const heldMs = memory.held.note(key, isWeak, now);
      if (heldMs === undefined || heldMs < settings.demoteHeldMs || !this.hasServedLongEnough(node)) continue;
      if (weakest === undefined || node.score < weakest.score) weakest = node;
    }
    const sinceMs = memory.sincePromotionMs(this.region, now);
    const isTooSoon = sinceMs !== undefined && sinceMs < settings.promotionIntervalMs;
    if (weakest === undefined || candidate === undefined || isTooSoon) return false;
    const detail = `${describe(weakest)}, below ${settings.demoteScore}; ${describe(candidate)}`;
    this.remove(weakest, { action: 'demote', nodeId: idOf(weakest), reason: 'score-too-low', detail });
    this.add(candidate, 'replaces-weak-seat', detail);
    return true;
  }

  private shrink(): void {
    const { memory, settings, now, controls } = this.input;
    const rawLoad = regionLoad(this.nodes, (member) => member.record.load.connections);
    const tolerated = Math.max(seatsTolerated(this.load, settings), seatsTolerated(rawLoad, settings));
    const heldMs = memory.held.note(`shrink ${this.region}`, tolerated < this.seated.size, now);
    if (heldMs === undefined || heldMs < settings.demoteHeldMs) return;
    const [weakest] = this.nodes
      .filter((node) => this.seated.has(idOf(node)) && controls.pins[idOf(node)] !== 'active')
      .filter((node) => this.hasServedLongEnough(node))
      .sort((a, b) => a.score - b.score || compareIds(a, b));
    if (weakest === undefined) return;
    const clients = Math.round(this.load.connections);
    this.remove(weakest, {
      action: 'demote',
      nodeId: idOf(weakest),
      reason: 'too-many-seats',
      detail: `${clients} clients need ${tolerated} seats at most; ${describe(weakest)}`,
    });
  }

  private hasServedLongEnough(node: AssessedNode): boolean {
    if (node.seat === undefined) return false;
    return this.input.memory.tenureMs(node.seat, this.input.now) >= this.input.settings.minimumTenureMs;
  }

  /** Best first. */
  private candidates(): AssessedNode[] {
    return this.nodes
      .filter((node) => !this.seated.has(idOf(node)) && node.objections.length === 0)
      .sort((a, b) => b.score - a.score || compareIds(a, b));
  }

  /** Those whose score has been good for long enough. */
  private strongCandidates(): AssessedNode[] {
    const { memory, settings, now } = this.input;
    return this.candidates().filter((node) => {
      const key = `strong ${idOf(node)} ${node.member.record.incarnation}`;
      const heldMs = memory.held.note(key, isAbove(node.rawScore, node.score, settings.promoteScore), now);
      return heldMs !== undefined && heldMs >= settings.promoteHeldMs;
    });
  }

  private add(node: AssessedNode, reason: DecisionReason, detail: string): void {
    this.seated.add(idOf(node));
    this.changes.push({ action: 'promote', nodeId: idOf(node), reason, detail });
  }

  private remove(node: AssessedNode, change: SeatChange): void {
    this.seated.delete(idOf(node));
    this.changes.push(change);
  }
}

/** Clients and mean capacity of those who could serve the region. */
export function regionLoad(
  nodes: readonly AssessedNode[],
  share: (member: AssessedNode['member']) => number,
): RegionLoad {
  const serving = nodes.filter((node) => node.member.record.roles.includes('index'));
  let connections = 0;
  let capacity = 0;
  for (const { member } of serving) {
    // The clients of whoever was lost are on their way to others.
    connections += share(member) * member.record.capacity.connections;
    capacity += member.record.capacity.connections;
  }
  return { connections, capacity: serving.length === 0 ? 0 : capacity / serving.length };
}

function isLoss(reason: DecisionReason): boolean {
  return reason in LOSS_DETAILS || reason === 'pinned-standby';
}

const LOSS_DETAILS: Readonly<Record<Loss, string>> = {
  'lease-gone': 'it had no lease at the last reading',
  'unreachable-for-peers': 'most of its peers report that they can not reach it',
  restarted: 'a later run of it has a lease',
  'database-lost': 'it reports that the database does not answer it',
  draining: 'it reports that it is draining',
};

function lossOf(node: AssessedNode, loss: Loss): SeatChange {
  return { action: 'demote', nodeId: idOf(node), reason: loss, detail: LOSS_DETAILS[loss] };
}

/** What an operator's pin does not outweigh. */
function isEligible(node: AssessedNode): boolean {
  return node.objections.every((objection) => objection === 'unverified');
}

function idOf(node: AssessedNode): NodeId {
  return node.member.record.nodeId;
}

function compareIds(a: AssessedNode, b: AssessedNode): number {
  return idOf(a) < idOf(b) ? -1 : 1;
}

function describe(node: AssessedNode): string {
  return `${idOf(node)} scores ${node.score.toFixed(2)}`;
}
