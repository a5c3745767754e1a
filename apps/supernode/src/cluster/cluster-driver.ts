import { instant, type Instant } from '@parley/nat';
import type { Clock } from '../clock/clock.port.ts';
import type { Scheduler } from '../clock/scheduler.port.ts';
import type { ClusterCoreApi, ClusterInput, ClusterOutput, FailedRequest } from './core/cluster-io.ts';
import type { CoordinatorLease, MembershipStore } from './membership.port.ts';
import type { LoadVector, NodeAddresses, NodeId } from './node-record.ts';
import type { PeerProbe } from './peer-probe.ts';
import type { Roster } from './roster.ts';
import type { RosterChannel } from './roster-channel.port.ts';
import type { RosterStore } from './roster-store.port.ts';

type OutputOf<Kind extends ClusterOutput['kind']> = Extract<ClusterOutput, { kind: Kind }>;

/** What happened in the core, for those around the driver. */
export type ClusterEvent = OutputOf<
  | 'roster-adopted'
  | 'ownership-changed'
  | 'standing-changed'
  | 'state-changed'
  | 'coordination-changed'
  | 'alert-raised'
  | 'alert-cleared'
  | 'decision'
>;

export interface ClusterDriverParts {
  readonly core: ClusterCoreApi;
  readonly self: { readonly nodeId: string; readonly incarnation: number; readonly clusterId: string };
  readonly membership: MembershipStore;
  readonly coordinatorLease: CoordinatorLease;
  readonly rosters: RosterStore;
  readonly channel: RosterChannel;
  readonly probe: PeerProbe;
  /** That by which ownership asks the core, too. */
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly measureLoad: () => Promise<LoadVector>;
  readonly onEvent: (event: ClusterEvent) => void;
  /** Our own address as the STUN server of a supernode of this cluster sees it. */
  readonly onReflexiveAddress: (address: string, peer: NodeId) => void;
  /** A request that failed, and which nobody waits for: for the log, at most. */
  readonly onFailure: (what: ClusterOutput['kind'] | 'measure', error: unknown) => void;
}

const MEASURE_MS = 1_000;

/** Feeds the cluster core and carries out what it says. Owns its timers; decides nothing. */
export class ClusterDriver {
  private readonly pending = new Set<Promise<void>>();
  private readonly startedAt: number;
  private cancelTimer: (() => void) | undefined;
  private cancelMeasuring: (() => void) | undefined;
  private hasEnded = false;
  private readonly drained: Promise<void>;
  private settleDrained: () => void = () => undefined;

  constructor(private readonly parts: ClusterDriverParts) {
    this.startedAt = parts.clock.monotonic();
    this.drained = new Promise((resolve) => (this.settleDrained = resolve));
  }

  /** Joins the cluster under these addresses, which answer by now. */
  async start(addresses: NodeAddresses): Promise<void> {
    this.feed({ kind: 'addresses-changed', addresses });
    await this.measure();
    this.wake();
    // Announcements are a convenience: a channel that does not open now opens with the connection.
    await this.parts.channel
      .listen((roster) => this.feed({ kind: 'roster-announced', roster }))
      .catch((error: unknown) => this.parts.onFailure('announce-roster', error));
  }

  addressesChanged(addresses: NodeAddresses): void {
    this.feed({ kind: 'addresses-changed', addresses });
  }

  /** Gives the seat and the slots up; resolves when others have them. */
  drain(): Promise<void> {
    this.feed({ kind: 'drain' });
    return this.drained;
  }

  /** Ends what this supernode holds in the stores, as far as they answer, and stops. */
  async leave(): Promise<void> {
    if (this.hasEnded) return;
    this.feed({ kind: 'leave' });
    this.hasEnded = true;
    this.cancelTimer?.();
    this.cancelMeasuring?.();
    await Promise.all(this.pending);
  }

  private feed(input: ClusterInput): void {
    if (this.hasEnded) return;
    this.perform(this.parts.core.handle(input, this.now()));
  }

  /** What is due now, and a timer for what will be. */
  private wake(): void {
    this.perform(this.parts.core.handleTimeout(this.now()));
  }

  private perform(outputs: readonly ClusterOutput[]): void {
    for (const output of outputs) this.carryOut(output);
    this.arm();
  }

  private arm(): void {
    this.cancelTimer?.();
    this.cancelTimer = undefined;
    const at = this.hasEnded ? undefined : this.parts.core.nextTimeoutAt();
    if (at === undefined) return;
    this.cancelTimer = this.parts.scheduler.after(Math.max(0, at - this.now()), () => this.wake());
  }

  private carryOut(output: ClusterOutput): void {
    const { membership, coordinatorLease, rosters, channel, self, core } = this.parts;
    switch (output.kind) {
      case 'renew-lease': {
        this.request(output, async ({ sentAt, record, ttlMs }) => {
          const isOurs = await membership.renew(record, ttlMs);
          return { kind: isOurs ? 'lease-renewed' : 'lease-refused', sentAt };
        });
        return;
      }
      case 'read-leases': {
        this.request(output, async ({ sentAt }) => ({
          kind: 'leases-read',
          sentAt,
          records: await membership.list(),
        }));
        return;
      }
      case 'hold-coordination': {
        this.request(output, async ({ sentAt, ttlMs }) => {
          const isHeld = await coordinatorLease.hold(self.nodeId, self.incarnation, ttlMs);
          return { kind: isHeld ? 'coordination-held' : 'coordination-refused', sentAt };
        });
        return;
      }
      case 'read-roster': {
        this.request(output, async ({ sentAt }) => {
          const known = core.roster;
          const { roster, controls } = await rosters.poll(known.epoch);
          return { kind: 'roster-read', sentAt, roster: roster ?? known, controls };
        });
        return;
      }
      case 'write-roster': {
        this.run(output.kind, this.write(output));
        return;
      }
      case 'probe': {
        this.run(output.kind, this.probe(output));
        return;
      }
      case 'release-lease': {
        this.run(output.kind, membership.release(self.nodeId, self.incarnation));
        return;
      }
      case 'release-coordination': {
        this.run(output.kind, coordinatorLease.release(self.nodeId, self.incarnation));
        return;
      }
      case 'announce-roster': {
        this.run(output.kind, channel.announce(output.roster));
        return;
      }
      case 'drained': {
        this.settleDrained();
        return;
      }
      default:
        this.parts.onEvent(output);
    }
  }

  /** Answers a request of the core, with its failure if need be. */
  private request<Output extends OutputOf<FailedRequest>>(
    output: Output,
    work: (output: Output) => Promise<ClusterInput>,
  ): void {
    const answered = work(output).catch((error: unknown): ClusterInput => {
      this.parts.onFailure(output.kind, error);
      return { kind: 'request-failed', request: output.kind, sentAt: output.sentAt };
    });
    this.run(
      output.kind,
      answered.then((input) => this.feed(input)),
    );
  }

  private async write({
    sentAt,
    roster: planned,
    expectedEpoch,
    decisions,
  }: OutputOf<'write-roster'>): Promise<void> {
    const at = this.parts.clock.now();
    const roster: Roster = { ...planned, writtenAt: at };
    const recorded = decisions.map((decision) => ({ ...decision, at }));
    try {
      const isWritten = await this.parts.rosters.replace(roster, expectedEpoch, recorded);
      const outcome = isWritten ? 'written' : 'conflict';
      this.feed({ kind: 'roster-write-ended', sentAt, roster, outcome });
    } catch (error) {
      this.parts.onFailure('write-roster', error);
      this.feed({ kind: 'roster-write-ended', sentAt, roster, outcome: 'failed' });
    }
  }

  private async probe({ sentAt, nodeId, addresses, timeoutMs }: OutputOf<'probe'>): Promise<void> {
    const { probe, self } = this.parts;
    const [answer, reflexive] = await Promise.all([
      probe.identity(addresses.edge, timeoutMs),
      isProbed(addresses.stun) ? probe.reflexiveAddress(addresses.stun, timeoutMs) : undefined,
    ]);
    if (answer?.nodeId !== nodeId || answer.clusterId !== self.clusterId) {
      this.feed({ kind: 'probe-failed', nodeId, sentAt });
      return;
    }
    if (reflexive !== undefined) this.parts.onReflexiveAddress(reflexive, nodeId);
    const { clusterId: _same, ...identity } = answer;
    const relayReached = isProbed(addresses.stun) ? reflexive !== undefined : null;
    this.feed({ kind: 'probe-answered', nodeId, sentAt, identity, relayReached });
  }

  private async measure(): Promise<void> {
    const { clock, scheduler, measureLoad } = this.parts;
    try {
      const load = await measureLoad();
      this.feed({ kind: 'measured', load, uptimeMs: clock.monotonic() - this.startedAt });
    } catch (error) {
      this.parts.onFailure('measure', error);
    }
    if (this.hasEnded) return;
    this.cancelMeasuring = scheduler.after(MEASURE_MS, () => this.run('measure', this.measure()));
  }

  /** Work that is waited for at the end only. */
  private run(what: ClusterOutput['kind'] | 'measure', work: Promise<void>): void {
    const ended = work
      .catch((error: unknown) => this.parts.onFailure(what, error))
      .finally(() => this.pending.delete(ended));
    this.pending.add(ended);
  }

  private now(): Instant {
    return instant(this.parts.clock.monotonic());
  }
}

/** The `stun` package cannot name an IPv6 server: of such a relay nothing is said. */
function isProbed(stun: string | null): stun is string {
  return stun !== null && !stun.startsWith('[');
}
