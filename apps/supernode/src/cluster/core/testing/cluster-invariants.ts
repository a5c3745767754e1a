import type { Instant } from '@parley/nat';
import type { NodeId } from '../../node-record.ts';
import { EMPTY_ROSTER, type Roster } from '../../roster.ts';
import type { Slot } from '../../slot.ts';
import { shareOf } from '../assignment.ts';
import type { ClusterOutput } from '../cluster-io.ts';
import type { ClusterSettings } from '../cluster-settings.ts';
import type { DecisionReason } from '../decision.ts';

/** One run of a supernode, as the checkers see it. */
export interface ObservedNode {
  readonly name: string;
  readonly nodeId: NodeId;
  /** An operator's word, as the newest reading of the database that it may rely on had it. */
  readonly isToldToFreeze: boolean;
  now(): Instant;
  /** Slots for which it has an unexpired right to act now, with their epochs; another map whenever they are others. */
  rights(): Rights;
  /** What it follows, and so plans from. */
  readonly core: { readonly roster: Roster };
}

/** The truth about supernodes, whatever anybody believes. */
export interface ClusterTruth {
  hasIndexRole(nodeId: NodeId): boolean;
  /** Somebody reached it at all its addresses, in any of its runs. */
  wasReached(nodeId: NodeId): boolean;
}

type RosterProposal = Extract<ClusterOutput, { kind: 'write-roster' }>;

type Rights = ReadonlyMap<Slot, number>;

/** What must hold at every moment of a simulation; throws what was violated. */
export class ClusterInvariants {
  /** Who acted for a slot in an epoch, by `epoch * slotCount + slot`. */
  private readonly owners = new Map<number, string>();
  private readonly accepted = new Map<number, string>();
  private readonly followed = new Map<string, number>();
  /** What each supernode had a right to when that was looked at last. */
  private readonly checked: Rights[] = [];
  private stored = EMPTY_ROSTER;

  constructor(
    private readonly settings: ClusterSettings,
    private readonly truth: ClusterTruth,
  ) {}

  /**
   * After each step of a supernode: no two may have a right to the same slot at this moment, and nobody else ever had one in its
   * epoch. Where all have exactly the rights that were looked at last, there is nothing new to find.
   */
  checkRights(nodes: readonly ObservedNode[]): void {
    const { checked } = this;
    let isNew = checked.length !== nodes.length;
    for (let index = 0; index < nodes.length; index += 1) {
      const rights = nodes[index]!.rights();
      if (checked[index] === rights) continue;
      checked[index] = rights;
      isNew = true;
    }
    if (!isNew) return;
    checked.length = nodes.length;
    const holders = new Map<Slot, ObservedNode>();
    nodes.forEach((node, index) => {
      for (const [slot, epoch] of checked[index]!) {
        const holder = holders.get(slot);
        if (holder !== undefined) {
          const before = holder.rights().get(slot);
          violated(
            `${holder.name} (epoch ${before}) and ${node.name} (epoch ${epoch}) may act for slot ${slot} at the same time`,
          );
        }
        holders.set(slot, node);
        this.noteOwner(node, slot, epoch);
      }
    });
  }

  private noteOwner(node: ObservedNode, slot: Slot, epoch: number): void {
    const key = epoch * this.settings.slotCount + slot;
    const owner = this.owners.get(key);
    if (owner === undefined) this.owners.set(key, node.name);
    else if (owner !== node.name)
      violated(`${node.name} and ${owner} both acted for slot ${slot} in epoch ${epoch}`);
  }

  /** A supernode asks for the next roster; the lease store said that it coordinates until `coordinatesUntil`. */
  rosterProposed(node: ObservedNode, proposal: RosterProposal, coordinatesUntil: number, at: number): void {
    const { decisions } = proposal;
    if (at >= coordinatesUntil)
      violated(`${node.name} coordinates after its lease ended at ${coordinatesUntil}`);
    this.checkVerified(node, proposal);
    if (!node.isToldToFreeze) return;
    const unfrozen = decisions.find(({ reason }) => REASONS_TO_FREEZE.has(reason));
    if (unfrozen !== undefined) {
      violated(`${unfrozen.nodeId} has ${unfrozen.action} for ${unfrozen.reason} while elections are frozen`);
    }
  }

  /** Where somebody keeps its seat who can verify others, nobody gets one whose relay nobody ever reached. */
  private checkVerified({ core }: ObservedNode, { roster, decisions }: RosterProposal): void {
    const former = new Set(core.roster.seats.map(({ nodeId, incarnation }) => `${nodeId}#${incarnation}`));
    if (!roster.seats.some(({ nodeId, incarnation }) => former.has(`${nodeId}#${incarnation}`))) return;
    for (const { action, nodeId, reason } of decisions) {
      if (action !== 'promote' || REASONS_WITHOUT_PROOF.has(reason) || this.truth.wasReached(nodeId))
        continue;
      violated(`${nodeId} gets a seat for ${reason} though nobody ever reached its relay`);
    }
  }

  rosterStored(roster: Roster): void {
    const unfit = roster.seats.find(({ nodeId }) => !this.truth.hasIndexRole(nodeId));
    if (unfit !== undefined) violated(`${unfit.nodeId} has a seat though it only relays`);
    if (roster.epoch <= this.stored.epoch)
      violated(`epoch ${roster.epoch} was stored after ${this.stored.epoch}`);
    this.checkSame(roster);
    if (new Set(roster.seats.map(({ nodeId }) => nodeId)).size < roster.seats.length) {
      violated(`epoch ${roster.epoch} has two seats for one node id`);
    }
    const counts = new Map<number, number>();
    for (const owner of roster.owners) counts.set(owner, (counts.get(owner) ?? 0) + 1);
    roster.seats.forEach((seat, index) => {
      const { slotCount, boundedLoad } = this.settings;
      const { limit } = shareOf(roster.seats, seat.weight, slotCount, boundedLoad);
      if ((counts.get(index) ?? 0) > limit) violated(`${seat.nodeId} has more than ${limit} slots`);
    });
    this.checkMoves(this.stored, roster);
    this.stored = roster;
  }

  /** Where no seat is new or heavier, those that stay give away only what is above their limit. */
  private checkMoves(before: Roster, next: Roster): void {
    const former = new Map(before.seats.map((seat, index) => [seat.nodeId, { index, weight: seat.weight }]));
    if (next.seats.some(({ nodeId, weight }) => weight > (former.get(nodeId)?.weight ?? 0))) return;
    next.seats.forEach(({ nodeId, weight }, index) => {
      const had = before.owners.flatMap((owner, slot) => (owner === former.get(nodeId)?.index ? [slot] : []));
      const moved = had.filter((slot) => next.owners[slot] !== index);
      const { limit } = shareOf(next.seats, weight, this.settings.slotCount, this.settings.boundedLoad);
      if (moved.length > Math.max(0, had.length - limit)) {
        violated(`${nodeId} lost slots ${moved.join()} though it kept its seat`);
      }
    });
  }

  rosterFollowed(node: ObservedNode, roster: Roster): void {
    const before = this.followed.get(node.name) ?? 0;
    if (roster.epoch <= before) violated(`${node.name} went from epoch ${before} to ${roster.epoch}`);
    this.followed.set(node.name, roster.epoch);
    this.checkSame(roster);
  }

  /** Never two coordinators accepted in one epoch, nor two rosters of one. */
  private checkSame(roster: Roster): void {
    const seats = roster.seats.map((seat) => `${seat.nodeId}#${seat.incarnation}*${seat.weight}`).join(' ');
    const content = `${roster.coordinator}: ${seats}: ${roster.owners.join()}`;
    const known = this.accepted.get(roster.epoch);
    if (known === undefined) this.accepted.set(roster.epoch, content);
    else if (known !== content) violated(`two rosters of epoch ${roster.epoch}: ${known} and ${content}`);
  }
}

/** What is not done while elections are frozen; losses are taken and replaced all the same, and pins followed. */
const REASONS_TO_FREEZE: ReadonlySet<DecisionReason> = new Set([
  'below-minimum',
  'load-needs-it',
  'replaces-weak-seat',
  'score-too-low',
  'too-many-seats',
] as const);

/** An operator's word, and a restart of all at once, in which everybody gets back what it had. */
const REASONS_WITHOUT_PROOF: ReadonlySet<DecisionReason> = new Set(['pinned-active', 'returned'] as const);

export class InvariantViolation extends Error {}

function violated(message: string): never {
  throw new InvariantViolation(message);
}
