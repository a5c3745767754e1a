/**
 * The part of a supernode that decides about the cluster, without any input or output of its own: keeps its lease, watches the
 * others, follows the roster, knows for which slots it may act, and coordinates when it is elected (docs/architecture/cluster.md).
 */
import { earliest, type Instant } from '@parley/nat';
import { SupernodeError } from '../../errors.ts';
import type { LoadVector, NodeAddresses, NodeId, NodeRecord, NodeState } from '../node-record.ts';
import { EMPTY_ROSTER, type Roster, type Seat } from '../roster.ts';
import type { ElectionControls } from '../roster-store.port.ts';
import type { Slot } from '../slot.ts';
import { Alerts } from './alerts.ts';
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
  StandingCause,
} from './cluster-io.ts';
import type { ClusterSettings } from './cluster-settings.ts';
import { Coordinator } from './coordinator.ts';
import type { Decision } from './decision.ts';
import { explainSlot, homesOfSlot, nodeViews } from './explanation.ts';
import { Handover } from './handover.ts';
import { MembershipView } from './membership-view.ts';
import { lifecycleTransition, type LifecycleCause } from './node-lifecycle.ts';
import { PeerProbes } from './peer-probes.ts';
import { Poll } from './poll.ts';
import { Rights } from './rights.ts';
import { standingTransition } from './standing.ts';

export interface ClusterCoreOptions {
  readonly self: OwnNode;
  readonly settings: ClusterSettings;
  /** 0 to just below 1: spreads what all supernodes would else do at the same moment. */
  readonly nextFraction: () => number;
}

const IDLE: LoadVector = { connections: 0, cpu: 0, memory: 0, eventLoopDelayMs: 0, relayBytesPerSecond: 0 };

export class ClusterCore implements ClusterCoreApi {
  roster: Roster = EMPTY_ROSTER;
  controls: ElectionControls = { isFrozen: false, pins: {} };
  state: NodeState = 'joining';
  readonly decisions: Decision[] = [];
  private readonly self: OwnNode;
  private readonly settings: ClusterSettings;
  private readonly rights: Rights;
  private readonly handover: Handover;
  private readonly probes: PeerProbes;
  private readonly view: MembershipView;
  private readonly coordinator: Coordinator;
  private readonly alertBook = new Alerts();
  private readonly renewing: Poll;
  private readonly listing: Poll;
  private readonly reading: Poll;
  private readonly holding: Poll;
  private addresses: NodeAddresses;
  private load = IDLE;
  private uptimeMs = 0;
  private currentStanding: Standing = 'suspended';
  /** The highest epoch that anybody named. */
  private highestEpoch = 0;
  private rosterReadAt: Instant | undefined;
  /** Epochs that the leases on their way to the store name, by when they were sent. */
  private readonly publishing = new Map<Instant, number>();
  private published = '';
  private readonly databaseLostSince = new Map<NodeId, Instant>();
  private drainingSince: Instant | undefined;
  private hasDrained = false;
  private wasCoordinator = false;
  /** After leaving, or when a later run of this node id took over. */
  private isOver = false;
  private outputs: ClusterOutput[] = [];

  constructor({ self, settings, nextFraction }: ClusterCoreOptions, startedAt: Instant) {
    this.self = self;
    this.settings = settings;
    this.addresses = self.addresses;
    this.rights = new Rights(settings);
    this.handover = new Handover(self, settings);
    this.probes = new PeerProbes(settings, nextFraction);
    this.view = new MembershipView(self.nodeId, settings);
    this.coordinator = new Coordinator(self.nodeId, settings, startedAt);
    const poll = () => new Poll(settings.requestTimeoutMs, startedAt);
    [this.renewing, this.listing, this.reading, this.holding] = [poll(), poll(), poll(), poll()];
  }

  handle(input: ClusterInput, now: Instant): readonly ClusterOutput[] {
    if (this.isOver) return [];
    this.noticePause(now);
    this.take(input, now);
    return this.conclude(now);
  }

  handleTimeout(now: Instant): readonly ClusterOutput[] {
    if (this.isOver) return [];
    this.noticePause(now);
    return this.conclude(now);
  }

  nextTimeoutAt(): Instant | undefined {
    if (this.isOver) return undefined;
    return earliest(
      this.renewing.nextAt(),
      this.listing.nextAt(),
      this.reading.nextAt(),
      this.holding.nextAt(),
      this.probes.nextAt(),
      this.handover.nextAt(),
      this.coordinator.nextAt(),
      this.currentStanding === 'acting' ? this.rights.until : undefined,
    );
  }

  get identity(): ClusterIdentity {
    const { nodeId, incarnation } = this.self;
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
    return this.standing(now) === 'acting' ? this.handover.gainedEpoch(slot) : undefined;
  }

  gainedEpoch(slot: Slot): number | undefined {
    return this.handover.gainedEpoch(slot);
  }

  homes(slot: Slot): readonly Seat[] {
    return homesOfSlot(this.roster, slot);
  }

  explain(slot: Slot, now: Instant): SlotExplanation {
    const own = {
      nodeId: this.self.nodeId,
      standing: this.standing(now),
      waitsFor: this.handover.waitsFor(slot),
    };
    return explainSlot(this.roster, slot, own, this.settings);
  }

  private take(input: ClusterInput, now: Instant): void {
    switch (input.kind) {
      case 'measured':
        this.load = input.load;
        this.uptimeMs = input.uptimeMs;
        break;
      case 'addresses-changed':
        this.addresses = input.addresses;
        this.renewing.hurry(now);
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
        this.holding.ended(input.sentAt, now);
        this.coordinator.held(input.sentAt, now);
        break;
      case 'coordination-refused':
        this.holding.ended(input.sentAt, now);
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
        this.probes.failed(input.nodeId, input.sentAt);
        if (this.probes.isFailing(input.nodeId)) this.coordinator.hurry(now);
        break;
      case 'drain':
        this.drainingSince ??= now;
        this.move('drain', now);
        break;
      case 'leave':
        this.leave();
        break;
    }
  }

  private takeRenewal(sentAt: Instant, now: Instant): void {
    this.renewing.ended(sentAt, now);
    this.rights.leaseRenewed(sentAt);
    const epoch = this.publishing.get(sentAt);
    if (epoch !== undefined) this.handover.published(epoch, now);
    for (const at of this.publishing.keys()) if (at <= sentAt) this.publishing.delete(at);
  }

  private takeLeases(records: readonly NodeRecord[], sentAt: Instant, now: Instant): void {
    this.listing.ended(sentAt, now);
    this.rights.leaseStore.answered(sentAt);
    if (!this.view.read(records, sentAt, now)) return;
    for (const { nodeId, incarnation, rosterEpoch } of records) {
      if (nodeId === this.self.nodeId) {
        if (incarnation > this.self.incarnation) this.rights.isSuperseded = true;
      } else this.heardEpoch(nodeId, incarnation, rosterEpoch, now);
    }
    this.rights.leasesConfirmed(sentAt);
    this.noteDatabaseLosses(records, now);
    this.judgeSelf(now);
    this.coordinator.hurry(now);
  }

  private heardEpoch(nodeId: NodeId, incarnation: number, epoch: number, now: Instant): void {
    this.handover.confirmed(nodeId, incarnation, epoch);
    if (epoch <= this.highestEpoch) return;
    this.highestEpoch = epoch;
    if (epoch <= this.roster.epoch) return;
    this.rights.isBehind = true;
    this.reading.hurry(now);
  }

  private takeRosterReading(roster: Roster, controls: ElectionControls, sentAt: Instant, now: Instant): void {
    this.reading.ended(sentAt, now);
    this.rights.database.answered(sentAt);
    // A lower epoch than one that was seen is the word of a database that lost it: refused.
    if (roster.epoch < this.roster.epoch) return;
    if (this.rosterReadAt === undefined || sentAt > this.rosterReadAt) {
      this.rosterReadAt = sentAt;
      this.controls = controls;
    }
    if (roster.epoch > this.roster.epoch) this.adopt(roster, now);
    this.rights.rosterConfirmed(sentAt);
    this.coordinator.hurry(now);
  }

  private takeWriteEnd(input: Extract<ClusterInput, { kind: 'roster-write-ended' }>, now: Instant): void {
    this.coordinator.writeEnded(input.sentAt, input.outcome, now);
    if (input.outcome !== 'written') {
      this.reading.hurry(now);
      return;
    }
    this.push({ kind: 'announce-roster', roster: input.roster });
    if (input.roster.epoch > this.roster.epoch) this.adopt(input.roster, now);
    if (input.roster.epoch === this.roster.epoch) this.rights.rosterConfirmed(input.sentAt);
  }

  private takeFailure(request: FailedRequest, sentAt: Instant, now: Instant): void {
    const poll = {
      'renew-lease': this.renewing,
      'read-leases': this.listing,
      'hold-coordination': this.holding,
      'read-roster': this.reading,
    }[request];
    poll.ended(sentAt, now);
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
    for (const decision of this.coordinator.rosterAdopted(previous, roster, now)) {
      this.decisions.push(decision);
      this.push({ kind: 'decision', decision });
    }
    this.decisions.splice(0, this.decisions.length - this.settings.maxDecisions);
    for (const { record } of this.view.others()) {
      // What was heard before this roster was known may confirm it already.
      this.handover.confirmed(record.nodeId, record.incarnation, record.rosterEpoch);
    }
    this.move(this.hasSeat() ? 'seated' : 'unseated', now);
    // Former and new owners of slots wait for this word.
    this.renewing.hurry(now);
  }

  private leave(): void {
    if (this.coordinator.coordination.release()) this.push({ kind: 'release-coordination' });
    this.push({ kind: 'release-lease' });
    this.isOver = true;
  }

  private noteDatabaseLosses(records: readonly NodeRecord[], now: Instant): void {
    const lost = new Set(
      this.isDatabaseReachable(now)
        ? records.filter((record) => !record.databaseReachable).map((record) => record.nodeId)
        : [],
    );
    for (const nodeId of this.databaseLostSince.keys()) {
      if (!lost.has(nodeId)) this.databaseLostSince.delete(nodeId);
    }
    for (const nodeId of lost) {
      if (!this.databaseLostSince.has(nodeId)) this.databaseLostSince.set(nodeId, now);
    }
  }

  private judgeSelf(now: Instant): void {
    const own = this.assess(now).nodes.get(this.self.nodeId);
    if (own === undefined) return;
    this.move(own.reachability === 'verified' ? 'vouched-for' : 'vouchers-lost', now);
    this.alert('UNREACHABLE', own.reachability === 'unreachable' ? this.addresses.edge : undefined);
  }

  private assess(now: Instant): Assessment {
    return assess({
      members: this.view.all(),
      roster: this.roster,
      controls: this.controls,
      probes: this.probes,
      isUnsettled: this.view.isUnsettled(now),
      databaseLostSince: this.databaseLostSince,
      settings: this.settings,
      self: this.self.nodeId,
      readAt: this.view.lastReadAt ?? now,
      now,
    });
  }

  private noticePause(now: Instant): void {
    const expected = this.nextTimeoutAt();
    if (expected === undefined || now - expected <= this.settings.lateTimerMs) return;
    this.probes.observerWasLate();
    for (const poll of [this.renewing, this.listing, this.reading]) poll.hurry(now);
  }

  /** Everything that follows from time or from what was taken in, in the order in which it matters. */
  private conclude(now: Instant): readonly ClusterOutput[] {
    if (!this.isOver) {
      this.giveUpOverdue(now);
      this.updateStanding(now);
    }
    if (!this.isOver) {
      this.updateOwnership(now);
      this.updateCoordination(now);
      this.updateAlerts(now);
      this.updateDrain(now);
      this.request(now);
    }
    const outputs = this.outputs;
    this.outputs = [];
    return outputs;
  }

  private giveUpOverdue(now: Instant): void {
    const polls: readonly (readonly [Poll, FailedRequest])[] = [
      [this.renewing, 'renew-lease'],
      [this.listing, 'read-leases'],
      [this.holding, 'hold-coordination'],
      [this.reading, 'read-roster'],
    ];
    for (const [poll, request] of polls) {
      const sentAt = poll.takeOverdue(now);
      if (sentAt !== undefined) this.takeFailure(request, sentAt, now);
    }
  }

  private updateStanding(now: Instant): void {
    const from = this.currentStanding;
    const to = this.rights.standing(now);
    if (from !== to) this.changeStanding(from, to);
    if (!this.rights.isSuperseded) return;
    this.alert('SUPERSEDED', `${this.self.nodeId} runs again elsewhere`);
    this.isOver = true;
  }

  private changeStanding(from: Standing, to: Standing): void {
    const cause = this.standingCause(from, to);
    if (standingTransition(from, cause) !== to) {
      throw new SupernodeError('SN_INVARIANT', `The standing goes from ${from} to ${to} by ${cause}.`);
    }
    this.currentStanding = to;
    this.push({ kind: 'standing-changed', from, to, cause });
  }

  private standingCause(from: Standing, to: Standing): StandingCause {
    if (to === 'acting') return 'confirmed';
    if (this.rights.isSuperseded) return 'superseded';
    if (to === 'connected-only') return 'store-away';
    return from === 'connected-only' ? 'store-back' : this.rights.endsWith;
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
        assess: () => {
          const assessment = this.assess(now);
          this.alert(
            'MASS_LEASE_LOSS',
            assessment.isMassLeaseLoss ? 'those who answer are spared' : undefined,
          );
          this.alert('NETWORK_SPLIT', assessment.isNetworkSplit ? 'leases decide' : undefined);
          return assessment;
        },
      },
      now,
    );
    if (made !== undefined) {
      this.alert('NO_CANDIDATE', made.vacant.size > 0 ? [...made.vacant.keys()].join(', ') : undefined);
      this.alert('NO_SPARE', made.withoutSpare.length > 0 ? made.withoutSpare.join(', ') : undefined);
    }
    if (made?.roster !== undefined) {
      const expectedEpoch = this.roster.epoch;
      this.push({ kind: 'write-roster', sentAt: now, roster: made.roster, expectedEpoch });
    }
    const isCoordinator = this.coordinator.isInformed(now);
    if (isCoordinator === this.wasCoordinator) return;
    this.wasCoordinator = isCoordinator;
    this.push({ kind: 'coordination-changed', isCoordinator });
  }

  private canCoordinate(now: Instant): boolean {
    return !this.hasDrained && this.rights.database.hasAnsweredWithin(this.settings.rosterTtlMs, now);
  }

  private updateAlerts(now: Instant): void {
    const { rights } = this;
    this.alert('LEASE_STORE_AWAY', rights.isLeaseStoreAway(now) ? 'it did not answer' : undefined);
    this.alert('DATABASE_AWAY', rights.isDatabaseAway(now) ? 'it did not answer' : undefined);
    if (this.wasCoordinator) return;
    // What only a coordinator judges is for the next one to say.
    for (const code of COORDINATOR_ALERTS) this.alert(code, undefined);
  }

  private updateDrain(now: Instant): void {
    if (this.drainingSince === undefined || this.hasDrained) return;
    const readAt = this.view.lastReadAt;
    const isAlone =
      readAt !== undefined &&
      readAt >= this.drainingSince &&
      !this.view
        .listed()
        .some(
          ({ record }) =>
            record.nodeId !== this.self.nodeId &&
            record.state !== 'draining' &&
            record.roles.includes('index'),
        );
    const hasGivenUp = this.rosterReadAt !== undefined && !this.hasSeat();
    if (!hasGivenUp && !isAlone) return;
    this.hasDrained = true;
    if (this.coordinator.coordination.release()) this.push({ kind: 'release-coordination' });
    this.updateCoordination(now);
    this.push({ kind: 'drained' });
  }

  private request(now: Instant): void {
    const { settings } = this;
    this.probes.watch(this.probeTargets(), now);
    for (const nodeId of this.probes.takeDue(now)) {
      const addresses = this.view.get(nodeId)?.record.addresses;
      if (addresses === undefined) continue;
      this.push({ kind: 'probe', sentAt: now, nodeId, addresses, timeoutMs: settings.probeTimeoutMs });
    }
    const record = this.record(now);
    const published = [record.state, record.reached, record.unreachable, record.databaseReachable].join();
    if (published !== this.published) this.renewing.hurry(now);
    if (this.renewing.isDue(now)) {
      this.renewing.sent(now, settings.renewIntervalMs);
      this.publishing.set(now, record.rosterEpoch);
      this.published = published;
      this.push({ kind: 'renew-lease', sentAt: now, record, ttlMs: settings.leaseTtlMs });
    }
    if (this.listing.isDue(now)) {
      this.listing.sent(now, this.isListUrgent() ? settings.handoverPollMs : settings.renewIntervalMs);
      this.push({ kind: 'read-leases', sentAt: now });
    }
    if (this.reading.isDue(now)) {
      this.reading.sent(now, settings.rosterPollMs);
      this.push({ kind: 'read-roster', sentAt: now });
    }
    if (this.holding.isDue(now)) {
      this.holding.sent(now, settings.renewIntervalMs);
      if (this.canCoordinate(now)) {
        this.push({ kind: 'hold-coordination', sentAt: now, ttlMs: settings.coordinatorTtlMs });
      } else this.holding.ended(now, now);
    }
  }

  /** Somebody's word is awaited, or somebody's lease has just gone. */
  private isListUrgent(): boolean {
    return this.handover.isWaiting || this.view.all().some((member) => member.absentSince !== undefined);
  }

  private probeTargets(): Map<NodeId, number> {
    return new Map(this.view.others().map(({ record }) => [record.nodeId, record.incarnation]));
  }

  private record(now: Instant): NodeRecord {
    const { nodeId, incarnation, region, version, roles, capacity } = this.self;
    return {
      nodeId,
      incarnation,
      state: this.state,
      region,
      version,
      roles,
      addresses: this.addresses,
      capacity,
      load: this.load,
      uptimeMs: this.uptimeMs,
      unreachable: this.probes.unreachable(),
      reached: this.probes.reached(),
      rosterEpoch: this.roster.epoch,
      databaseReachable: this.isDatabaseReachable(now),
    };
  }

  private isDatabaseReachable(now: Instant): boolean {
    return this.rosterReadAt !== undefined && !this.rights.isDatabaseAway(now);
  }

  private hasSeat(): boolean {
    const { nodeId, incarnation } = this.self;
    return this.roster.seats.some((seat) => seat.nodeId === nodeId && seat.incarnation === incarnation);
  }

  private move(cause: LifecycleCause, now: Instant): void {
    const from = this.state;
    const to = lifecycleTransition(from, cause);
    if (to === undefined) return;
    this.state = to;
    this.push({ kind: 'state-changed', from, to, cause });
    this.renewing.hurry(now);
  }

  private alert(code: ClusterAlert, detail: string | undefined): void {
    const output = this.alertBook.set(code, detail);
    if (output !== undefined) this.push(output);
  }

  private push(output: ClusterOutput): void {
    this.outputs.push(output);
  }
}

const COORDINATOR_ALERTS = ['MASS_LEASE_LOSS', 'NETWORK_SPLIT', 'NO_CANDIDATE', 'NO_SPARE'] as const;
