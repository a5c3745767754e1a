import { after, type Instant } from '@parley/nat';
import type { NodeId } from '../node-record.ts';
import type { ClusterSettings } from './cluster-settings.ts';
import { LocalHealth } from './local-health.ts';
import type { Member } from './membership-view.ts';

interface Peer {
  incarnation: number;
  failures: number;
  hasAnswered: boolean;
  isRelayReached: boolean;
  nextAt: Instant;
  sentAt: Instant | undefined;
}

export interface Opinions {
  /** Those that answered, at all their addresses, and were not found unreachable since. */
  readonly reached: readonly NodeId[];
  /** Those that failed to answer often enough for an observer of this health. */
  readonly unreachable: readonly NodeId[];
}

/** The second opinion: whom this supernode reaches by its own probes, whatever the leases say. */
export class PeerProbes {
  private readonly peers = new Map<NodeId, Peer>();
  private readonly health: LocalHealth;
  private roundEndsAt: Instant | undefined;
  private round = { answered: 0, failed: 0 };
  private lists: Opinions | undefined;
  /** The answer of {@link nextAt}, until something changes it: it is asked for after every step of the core. */
  private next: { readonly at: Instant | undefined } | undefined;

  constructor(
    private readonly settings: ClusterSettings,
    private readonly nextFraction: () => number,
  ) {
    this.health = new LocalHealth(settings);
  }

  get multiplier(): number {
    return this.health.multiplier;
  }

  /** Watches these and no others; who is new, or a new run of its node id, starts without an opinion. */
  watch(members: readonly Member[], now: Instant): void {
    this.next = undefined;
    for (const nodeId of this.peers.keys()) {
      if (members.some(({ record }) => record.nodeId === nodeId)) continue;
      this.peers.delete(nodeId);
      this.lists = undefined;
    }
    for (const { record } of members) {
      const { nodeId, incarnation } = record;
      const peer = this.peers.get(nodeId);
      if (peer?.incarnation === incarnation) continue;
      this.lists = undefined;
      this.peers.set(nodeId, {
        incarnation,
        failures: 0,
        hasAnswered: false,
        isRelayReached: false,
        nextAt: now,
        sentAt: undefined,
      });
    }
  }

  /** Those whose turn it is; each counts as asked at `now`. */
  takeDue(now: Instant): NodeId[] {
    const nextAt = this.nextAt();
    const due = nextAt === undefined || now < nextAt ? [] : this.takeDuePeers(now);
    this.endRound(now);
    return due;
  }

  private takeDuePeers(now: Instant): NodeId[] {
    const due: NodeId[] = [];
    this.next = undefined;
    for (const [nodeId, peer] of this.peers) {
      // The driver answers after the time-out at the latest; an answer that never came is a failure of the probe all the same.
      if (peer.sentAt !== undefined && now >= after(peer.sentAt, 2 * this.settings.probeTimeoutMs)) {
        this.failed(nodeId, peer.sentAt, now);
      }
      if (peer.sentAt !== undefined || now < peer.nextAt) continue;
      peer.sentAt = now;
      // Spread a little, so that not all supernodes probe one of them at the same moment.
      peer.nextAt = after(now, this.settings.probeIntervalMs * (0.9 + 0.2 * this.nextFraction()));
      due.push(nodeId);
    }
    return due;
  }

  answered(nodeId: NodeId, incarnation: number, sentAt: Instant, isRelayReached: boolean): void {
    const peer = this.peers.get(nodeId);
    if (peer === undefined) return;
    if (peer.sentAt === sentAt) {
      peer.sentAt = undefined;
      this.next = undefined;
    }
    if (incarnation !== peer.incarnation) return;
    if (peer.failures > 0 || !peer.hasAnswered || peer.isRelayReached !== isRelayReached)
      this.lists = undefined;
    peer.failures = 0;
    peer.hasAnswered = true;
    peer.isRelayReached = isRelayReached;
    this.round.answered += 1;
  }

  failed(nodeId: NodeId, sentAt: Instant, now: Instant): void {
    const peer = this.peers.get(nodeId);
    if (peer?.sentAt !== sentAt) return;
    this.next = undefined;
    if (now - sentAt < this.settings.probeTimeoutMs / 2) {
      // Refused, and not just late: a process that is gone. No need to wait long before asking again.
      peer.nextAt = earlier(peer.nextAt, after(now, this.settings.probeIntervalMs / QUICKER));
    }
    this.lists = undefined;
    peer.sentAt = undefined;
    peer.failures += 1;
    this.round.failed += 1;
  }

  /** This process did not run when it should have: what it observed meanwhile says nothing about others. */
  observerWasLate(): void {
    this.health.doubt();
    this.lists = undefined;
    for (const peer of this.peers.values()) peer.failures = 0;
  }

  /** Somebody fails to answer now: what others think of it matters. */
  get hasFailing(): boolean {
    for (const peer of this.peers.values()) if (peer.failures >= this.settings.probeFailures) return true;
    return false;
  }

  isFailing(nodeId: NodeId): boolean {
    return (this.peers.get(nodeId)?.failures ?? 0) >= this.settings.probeFailures;
  }

  /** Whether its edge address answered the last time. */
  answers(nodeId: NodeId): boolean {
    const peer = this.peers.get(nodeId);
    return peer !== undefined && peer.hasAnswered && peer.failures === 0;
  }

  nextAt(): Instant | undefined {
    this.next ??= { at: this.earliestAt() };
    return this.next.at;
  }

  private earliestAt(): Instant | undefined {
    let next: Instant | undefined;
    for (const peer of this.peers.values()) {
      const at =
        peer.sentAt === undefined ? peer.nextAt : after(peer.sentAt, 2 * this.settings.probeTimeoutMs);
      if (next === undefined || at < next) next = at;
    }
    return next;
  }

  /** The same object until one of the two changes. */
  opinions(): Opinions {
    if (this.lists !== undefined) return this.lists;
    const needed = this.settings.probeFailures * this.health.multiplier;
    const lists = { reached: [] as NodeId[], unreachable: [] as NodeId[] };
    for (const [nodeId, peer] of this.peers) {
      if (peer.failures >= needed) lists.unreachable.push(nodeId);
      else if (peer.hasAnswered && peer.isRelayReached) lists.reached.push(nodeId);
    }
    this.lists = lists;
    return lists;
  }

  private endRound(now: Instant): void {
    if (this.roundEndsAt !== undefined && now < this.roundEndsAt) return;
    const { answered, failed } = this.round;
    const { multiplier } = this;
    if (failed >= 2 && failed > answered) this.health.doubt();
    else if (answered > failed) this.health.recover();
    if (multiplier !== this.multiplier) this.lists = undefined;
    this.round = { answered: 0, failed: 0 };
    this.roundEndsAt = after(now, this.settings.probeIntervalMs);
  }
}

/** How much sooner a refused probe is repeated. */
const QUICKER = 4;

function earlier(a: Instant, b: Instant): Instant {
  return a < b ? a : b;
}
