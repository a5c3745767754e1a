/**
 * The part of a supernode that decides about the cluster, without any input or output of its own: keeps its lease, watches the
 * others, follows the roster, knows for which slots it may act, and coordinates when it is elected (docs/architecture/cluster.md).
 */
import { earliest, type Instant } from '@parley/nat';
import type { NodeId, NodeRecord, NodeState } from '../node-record.ts';
import { EMPTY_ROSTER, type Roster, type Seat } from '../roster.ts';
import type { ElectionControls } from '../roster-store.port.ts';
import type { Slot } from '../slot.ts';
import { Alerts, PLAN_ALERTS } from './alerts.ts';
import { assess, type Assessment } from './assessment.ts';
import type {
  ClusterAlert,
  ClusterCoreApi,
  ClusterIdentity,
  ClusterInput,
  ClusterOutput,
  FailedRequest,
  NodeView,
  OwnNode,
  SlotExplanation,
  Standing,
} from './cluster-io.ts';
import type { ClusterSettings } from './cluster-settings.ts';
import { Coordinator } from './coordinator.ts';
import type { Decision } from './decision.ts';
import { Drain } from './drain.ts';
import { explainSlot, homesOfSlot, nodeViews } from './explanation.ts';
import { Handover } from './handover.ts';
import { MembershipView } from './membership-view.ts';
import type { LifecycleCause } from './node-lifecycle.ts';
import { OwnNodeState } from './own-node-state.ts';
import { PeerProbes } from './peer-probes.ts';
import { dueProbes } from './probe-requests.ts';
import { PublishedNews } from './published-news.ts';
import { Rights } from './rights.ts';
import { StandingWatch } from './standing.ts';
import { StoreRequests } from './store-requests.ts';
import { Suspicions } from './suspicions.ts';

export interface ClusterCoreOptions {
  readonly self: OwnNode;
  readonly settings: ClusterSettings;
  /** 0 to just below 1: spreads what all supernodes would else do at the same moment. */
  readonly nextFraction: () => number;
}

export class ClusterCore implements ClusterCoreApi {
  roster: Roster = EMPTY_ROSTER;
  controls: ElectionControls = { isFrozen: false, pins: {} };
  decisions: readonly Decision[] = [];
  private readonly settings: ClusterSettings;
  private readonly own: OwnNodeState;
  private readonly rights: Rights;
  private readonly handover: Handover;
  private readonly probes: PeerProbes;
  private readonly view: MembershipView;
  private readonly coordinator: Coordinator;
  private readonly requests: StoreRequests;
  private readonly suspicions = new Suspicions();
  private readonly alertBook = new Alerts();
  private readonly standingWatch = new StandingWatch();
  private readonly drain = new Drain();
  /** The highest epoch that anybody named. */
  private highestEpoch = 0;
  private rosterReadAt: Instant | undefined;
  private readonly news = new PublishedNews();
  /** As it was after the last step: nothing but a step changes it. */
  private timeoutAt: Instant | undefined;
  private wasCoordinator = false;
  /** After leaving, or when a later run of this node id took over. */
  private isOver = false;
  private outputs: ClusterOutput[] = [];

  constructor({ self, settings, nextFraction }: ClusterCoreOptions, startedAt: Instant) {
    this.settings = settings;
    this.own = new OwnNodeState(self);
    this.rights = new Rights(settings);
    this.handover = new Handover(self, settings);
    this.probes = new PeerProbes(settings, nextFraction);
    this.view = new MembershipView(self.nodeId, settings);
    this.coordinator = new Coordinator(self.nodeId, settings, startedAt);
    this.requests = new StoreRequests(settings, startedAt);
    this.timeoutAt = this.earliestTimeout();
  }

  handle(input: ClusterInput, now: Instant): readonly ClusterOutput[] {
    return this.run(now, input);
  }

  handleTimeout(now: Instant): readonly ClusterOutput[] {
    return this.run(now);
  }

  nextTimeoutAt(): Instant | undefined {
    return this.timeoutAt;
  }

  private earliestTimeout(): Instant | undefined {
    if (this.isOver) return undefined;
    return earliest(
      this.requests.nextAt(),
      this.probes.nextAt(),
      this.handover.nextAt(),
      this.coordinator.nextAt(),
      this.standingWatch.current === 'acting' ? this.rights.until : undefined,
    );
  }

  get state(): NodeState {
    return this.own.state;
  }

  get identity(): ClusterIdentity {
    const { nodeId, incarnation } = this.own.node;
    return { nodeId, incarnation, rosterEpoch: this.roster.epoch };
  }

  get alerts(): ReadonlyMap<ClusterAlert, string> {
    return this.alertBook.raised;
  }

  get nodes(): readonly NodeView[] {
    const at = this.view.lastReadAt;
    return at === undefined ? [] : nodeViews(this.assess(at));
  }

  isCoordinator(now: Instant): boolean {
    return !this.isOver && this.coordinator.isInformed(now);
  }

  standing(now: Instant): Standing {
    return this.isOver ? 'suspended' : this.rights.standing(now);
  }

  tenureEpoch(slot: Slot, now: Instant): number | undefined {
    return this.tenures(now).get(slot);
  }

  tenures(now: Instant): ReadonlyMap<Slot, number> {
    return this.standing(now) === 'acting' ? this.handover.gainedSlots : NO_SLOTS;
  }

  gainedEpoch(slot: Slot): number | undefined {
    return this.handover.gainedSlots.get(slot);
  }

  homes(slot: Slot): readonly Seat[] {
    return homesOfSlot(this.roster, slot);
  }

  explain(slot: Slot, now: Instant): SlotExplanation {
    const { nodeId } = this.own.node;
    const own = { nodeId, standing: this.standing(now), waitsFor: this.handover.waitsFor(slot) };
    return explainSlot(this.roster, slot, own, this.settings);
  }

  private run(now: Instant, input?: ClusterInput): readonly ClusterOutput[] {
    if (this.isOver) return [];
    this.noticePause(now);
    if (input !== undefined) this.take(input, now);
    return this.conclude(now);
  }

  private take(input: ClusterInput, now: Instant): void {
    switch (input.kind) {
      case 'measured':
        this.own.load = input.load;
        this.own.uptimeMs = input.uptimeMs;
        break;
      case 'addresses-changed':
        this.own.addresses = input.addresses;
        this.requests.hurry('renew-lease', now);
        break;
      case 'lease-renewed':
        this.takeRenewal(input.sentAt, now);
        break;
      case 'lease-refused':
        this.rights.isSuperseded = true;
        break;
      case 'leases-read':
        this.takeLeases(input.records, input.sentAt, now);
        break;
      case 'coordination-held':
        this.requests.ended('hold-coordination', input.sentAt, now);
        if (this.coordinator.held(input.sentAt, now)) {
          this.requests.hurry('read-roster', now);
          this.requests.hurry('read-leases', now);
        }
        break;
      case 'coordination-refused':
        this.requests.ended('hold-coordination', input.sentAt, now);
        this.coordinator.coordination.refused();
        break;
      case 'roster-read':
        this.takeRosterReading(input.roster, input.controls, input.sentAt, now);
        break;
      case 'roster-announced':
        // No word about what the database has now: the announcement may be late.
        if (input.roster.epoch > this.roster.epoch) this.adopt(input.roster, now);
        break;
      case 'roster-write-ended':
        this.takeWriteEnd(input, now);
        break;
      case 'request-failed':
        this.takeFailure(input.request, input.sentAt, now);
        break;
      case 'probe-answered': {
        const { nodeId, identity, relayReached } = input;
        this.probes.answered(nodeId, identity.incarnation, input.sentAt, relayReached !== false);
        this.heardEpoch(nodeId, identity.incarnation, identity.rosterEpoch, now);
        break;
      }
      case 'probe-failed':
        this.probes.failed(input.nodeId, input.sentAt, now);
        if (this.probes.isFailing(input.nodeId)) this.coordinator.hurry(now);
        break;
      case 'drain':
        this.drain.begin(now);
        this.move('drain', now);
        break;
      case 'leave':
        this.leave();
        break;
    }
  }

  private takeRenewal(sentAt: Instant, now: Instant): void {
    this.rights.leaseRenewed(sentAt);
    const epoch = this.requests.renewed(sentAt, now);
    if (epoch !== undefined) this.handover.published(epoch, now);
  }

  private takeLeases(records: readonly NodeRecord[], sentAt: Instant, now: Instant): void {
    this.requests.ended('read-leases', sentAt, now);
    if (!this.rights.leasesRead(sentAt, now)) this.requests.hurry('renew-lease', now);
    if (!this.view.read(records, sentAt, now)) return;
    const self = this.own.node;
    for (const { nodeId, incarnation, rosterEpoch } of records) {
      if (nodeId !== self.nodeId) this.heardEpoch(nodeId, incarnation, rosterEpoch, now);
      else if (incarnation > self.incarnation) this.rights.isSuperseded = true;
    }
    this.rights.leasesConfirmed(sentAt);
    this.probes.watch(this.view.others(), now);
    this.suspicions.note(this.view, this.isDatabaseReachable(now), this.settings, now);
    this.judgeSelf(now);
    this.coordinator.hurry(now);
  }

  private heardEpoch(nodeId: NodeId, incarnation: number, epoch: number, now: Instant): void {
    this.handover.confirmed(nodeId, incarnation, epoch);
    if (epoch <= this.highestEpoch) return;
    this.highestEpoch = epoch;
    if (epoch <= this.roster.epoch) return;
    this.rights.isBehind = true;
    this.requests.hurry('read-roster', now);
  }

  private takeRosterReading(roster: Roster, controls: ElectionControls, sentAt: Instant, now: Instant): void {
    this.requests.ended('read-roster', sentAt, now);
    this.rights.database.answered(sentAt);
    // A lower epoch than the one followed is the word of a database that lost it, or an old answer: refused.
    if (roster.epoch < this.roster.epoch) return;
    if (this.rosterReadAt === undefined || sentAt > this.rosterReadAt) {
      this.rosterReadAt = sentAt;
      this.controls = controls;
    }
    if (roster.epoch > this.roster.epoch) this.adopt(roster, now);
    this.rights.rosterConfirmed(sentAt);
    this.coordinator.rosterRead(now);
  }

  private takeWriteEnd(input: Extract<ClusterInput, { kind: 'roster-write-ended' }>, now: Instant): void {
    this.coordinator.writeEnded(input.sentAt, input.outcome, now);
    if (input.outcome !== 'written') {
      this.requests.hurry('read-roster', now);
      return;
    }
    this.push({ kind: 'announce-roster', roster: input.roster });
    if (input.roster.epoch > this.roster.epoch) this.adopt(input.roster, now);
    if (input.roster.epoch === this.roster.epoch) this.rights.rosterConfirmed(input.sentAt);
  }

  private takeFailure(request: FailedRequest, sentAt: Instant, now: Instant): void {
    this.requests.ended(request, sentAt, now);
    if (request === 'read-roster') {
      this.rights.database.failed(sentAt);
      return;
    }
    this.rights.leaseStore.failed(sentAt);
    if (request === 'read-leases') this.view.failed();
  }

  private adopt(roster: Roster, now: Instant): void {
    const previous = this.roster;
    this.roster = roster;
    this.highestEpoch = Math.max(this.highestEpoch, roster.epoch);
    this.rights.isBehind = this.highestEpoch > roster.epoch;
    this.handover.adopt(previous, roster, now);
    this.push({ kind: 'roster-adopted', roster, previousEpoch: previous.epoch });
    const decisions = this.coordinator.rosterAdopted(previous, roster, now);
    for (const decision of decisions) this.push({ kind: 'decision', decision });
    this.decisions = [...this.decisions, ...decisions].slice(-this.settings.maxDecisions);
    for (const { record } of this.view.others()) {
      // What was heard before this roster was known may confirm it already.
      this.handover.confirmed(record.nodeId, record.incarnation, record.rosterEpoch);
    }
    this.move(this.own.hasSeatIn(roster) ? 'seated' : 'unseated', now);
    // Former and new owners of slots wait for this word.
    this.requests.hurry('renew-lease', now);
  }

  private leave(): void {
    if (this.coordinator.coordination.release()) this.push({ kind: 'release-coordination' });
    this.push({ kind: 'release-lease' });
    this.isOver = true;
  }

  private judgeSelf(now: Instant): void {
    const own = this.assess(now).nodes.get(this.own.node.nodeId);
    if (own === undefined) return;
    this.move(own.reachability === 'verified' ? 'vouched-for' : 'vouchers-lost', now);
    this.alert('UNREACHABLE', own.reachability === 'unreachable' ? this.own.addresses.edge : undefined);
  }

  private assess(now: Instant): Assessment {
    return assess({
      members: this.view.all(),
      roster: this.roster,
      controls: this.controls,
      probes: this.probes,
      isUnsettled: this.view.isUnsettled(now),
      ...this.suspicions.times,
      settings: this.settings,
      self: this.own.node.nodeId,
      readAt: this.view.lastReadAt ?? now,
      now,
    });
  }

  private noticePause(now: Instant): void {
    if (this.timeoutAt === undefined || now - this.timeoutAt <= this.settings.lateTimerMs) return;
    this.probes.observerWasLate();
    this.requests.hurryAll(now);
  }

  /** Everything that follows from time or from what was taken in, in the order in which it matters. */
  private conclude(now: Instant): readonly ClusterOutput[] {
    if (!this.isOver) {
      for (const { request, sentAt } of this.requests.takeOverdue(now))
        this.takeFailure(request, sentAt, now);
      this.updateStanding(now);
    }
    if (!this.isOver) {
      this.updateOwnership(now);
      this.updateCoordination(now);
      this.alert('LEASE_STORE_AWAY', this.rights.isLeaseStoreAway(now) ? SILENCE : undefined);
      this.alert('DATABASE_AWAY', this.rights.isDatabaseAway(now) ? SILENCE : undefined);
      this.updateDrain(now);
      this.request(now);
    }
    this.timeoutAt = this.earliestTimeout();
    const outputs = this.outputs;
    this.outputs = [];
    return outputs;
  }

  private updateStanding(now: Instant): void {
    const change = this.standingWatch.update(this.rights, now);
    if (change !== undefined) this.push({ kind: 'standing-changed', ...change });
    if (!this.rights.isSuperseded) return;
    this.alert('SUPERSEDED', `${this.own.node.nodeId} runs again elsewhere`);
    this.isOver = true;
  }

  private updateOwnership(now: Instant): void {
    const { gained, lost } = this.handover.take(now);
    if (gained.size > 0 || lost.size > 0) this.push({ kind: 'ownership-changed', gained, lost });
  }

  private updateCoordination(now: Instant): void {
    this.coordinator.coordination.expire(now);
    if (!this.canCoordinate(now) && this.coordinator.coordination.release()) {
      this.push({ kind: 'release-coordination' });
    }
    const made = this.coordinator.evaluate(
      {
        roster: this.roster,
        controls: this.controls,
        rosterReadAt: this.rosterReadAt,
        leasesReadAt: this.view.lastReadAt,
        assess: () => this.assess(now),
      },
      now,
    );
    for (const [code, detail] of made?.alerts ?? []) this.alert(code, detail);
    if (made?.roster !== undefined) {
      const { roster, decisions } = made;
      this.push({ kind: 'write-roster', sentAt: now, roster, expectedEpoch: this.roster.epoch, decisions });
    }
    const isCoordinator = this.coordinator.isInformed(now);
    if (isCoordinator === this.wasCoordinator) return;
    this.wasCoordinator = isCoordinator;
    this.push({ kind: 'coordination-changed', isCoordinator });
    // What only a coordinator judges is for the next one to say.
    if (!isCoordinator) for (const code of PLAN_ALERTS) this.alert(code, undefined);
  }

  private canCoordinate(now: Instant): boolean {
    return !this.drain.hasEnded && this.rights.database.hasAnsweredWithin(this.settings.rosterTtlMs, now);
  }

  private updateDrain(now: Instant): void {
    const hasSeat = this.rosterReadAt === undefined ? undefined : this.own.hasSeatIn(this.roster);
    if (!this.drain.end(hasSeat, this.own.node.nodeId, this.view)) return;
    this.updateCoordination(now);
    this.push({ kind: 'drained' });
  }

  private request(now: Instant): void {
    this.outputs.push(...dueProbes(this.probes, this.view, this.settings.probeTimeoutMs, now));
    const opinions = this.probes.opinions();
    const databaseReachable = this.isDatabaseReachable(now);
    if (this.news.isNew(this.state, databaseReachable, opinions)) this.requests.hurry('renew-lease', now);
    if (!this.requests.isDue(now)) return;
    const record = () => {
      this.news.published();
      return this.own.record(opinions, this.roster.epoch, databaseReachable);
    };
    const isListUrgent = this.handover.isWaiting || this.view.hasAbsent || this.probes.hasFailing;
    const facts = { record, isListUrgent, canCoordinate: this.canCoordinate(now) };
    this.outputs.push(...this.requests.takeDue(facts, now));
  }

  private isDatabaseReachable(now: Instant): boolean {
    return this.rosterReadAt !== undefined && !this.rights.isDatabaseAway(now);
  }

  private move(cause: LifecycleCause, now: Instant): void {
    const moved = this.own.move(cause);
    if (moved === undefined) return;
    this.push({ kind: 'state-changed', ...moved, cause });
    this.requests.hurry('renew-lease', now);
  }

  private alert(code: ClusterAlert, detail: string | undefined): void {
    const output = this.alertBook.set(code, detail);
    if (output !== undefined) this.push(output);
  }

  private push(output: ClusterOutput): void {
    this.outputs.push(output);
  }
}

const SILENCE = 'it did not answer';
const NO_SLOTS: ReadonlyMap<Slot, number> = new Map();
