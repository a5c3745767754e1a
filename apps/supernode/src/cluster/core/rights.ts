/**
 * Until when a supernode may act for the slots that its roster gives it. All instants are of its own monotonic clock and count from
 * when a request was *sent*, so that a pause of any length ends the right before anybody notices the pause.
 *
 * Two things must be fresh: the own lease, and that no later roster takes the slots away. The latter is known from the database;
 * while that is away, from the leases of all others, which name the rosters that they follow: who gains a slot publishes so and
 * waits before it acts. Leases can only prolong a right that never lapsed: a supernode that was cut off for longer may have missed
 * the word of somebody who can no longer repeat it, and needs the database.
 */
import { after, type Instant } from '@parley/nat';
import type { Standing } from './cluster-io.ts';
import type { ClusterSettings } from './cluster-settings.ts';

/** When a store answered and failed last, by when it was asked. */
class StoreContact {
  private answeredAt = LONG_AGO;
  private failedAt = LONG_AGO;

  answered(sentAt: Instant): void {
    if (sentAt > this.answeredAt) this.answeredAt = sentAt;
  }

  failed(sentAt: Instant): void {
    if (sentAt > this.failedAt) this.failedAt = sentAt;
  }

  /** The last that was heard of it is a failure, and that not long ago: after a pause nothing is known. */
  isAway(now: Instant, memoryMs: number): boolean {
    return this.failedAt > this.answeredAt && now - this.failedAt <= memoryMs;
  }

  hasAnsweredWithin(ms: number, now: Instant): boolean {
    return now - this.answeredAt <= ms;
  }
}

const LONG_AGO = Number.NEGATIVE_INFINITY as Instant;

export type RightsSettings = Pick<
  ClusterSettings,
  'leaseTtlMs' | 'rosterTtlMs' | 'marginMs' | 'renewIntervalMs' | 'rosterPollMs' | 'requestTimeoutMs'
>;

export class Rights {
  readonly leaseStore = new StoreContact();
  readonly database = new StoreContact();
  private leaseUntil = LONG_AGO;
  private rosterUntil = LONG_AGO;
  /** A later roster than the one followed is known to exist. */
  isBehind = false;
  /** A later run of this node id is alive. */
  isSuperseded = false;

  constructor(private readonly settings: RightsSettings) {}

  leaseRenewed(sentAt: Instant): void {
    this.leaseStore.answered(sentAt);
    this.leaseUntil = later(
      this.leaseUntil,
      after(sentAt, this.settings.leaseTtlMs - this.settings.marginMs),
    );
  }

  /** The database still had the roster that is followed. */
  rosterConfirmed(sentAt: Instant): void {
    this.database.answered(sentAt);
    const until = after(sentAt, this.settings.rosterTtlMs - this.settings.marginMs);
    this.rosterUntil = later(this.rosterUntil, until);
  }

  /** All leases were read and none names a later roster. */
  leasesConfirmed(sentAt: Instant): void {
    if (this.isBehind || sentAt > this.rosterUntil) return;
    const until = after(sentAt, this.settings.leaseTtlMs - this.settings.marginMs);
    this.rosterUntil = later(this.rosterUntil, until);
  }

  /**
   * The lease store answered. False where the own lease has lapsed: then only its renewal says that the store is back, since in
   * between this supernode would have no right at all, and give up what waits to be written.
   */
  leasesRead(sentAt: Instant, now: Instant): boolean {
    const hasLapsed = this.leaseUntil !== LONG_AGO && now >= this.leaseUntil;
    if (!hasLapsed) this.leaseStore.answered(sentAt);
    return !hasLapsed;
  }

  /** When the right ends unless something prolongs it. */
  get until(): Instant {
    return this.leaseUntil < this.rosterUntil ? this.leaseUntil : this.rosterUntil;
  }

  get endsWith(): 'lease-lapsed' | 'roster-unconfirmed' {
    return this.leaseUntil < this.rosterUntil ? 'lease-lapsed' : 'roster-unconfirmed';
  }

  standing(now: Instant): Standing {
    if (this.isSuperseded) return 'suspended';
    if (now < this.until) return 'acting';
    return !this.isBehind && this.isStoreAway(now) ? 'connected-only' : 'suspended';
  }

  isStoreAway(now: Instant): boolean {
    return this.isLeaseStoreAway(now) || this.isDatabaseAway(now);
  }

  isLeaseStoreAway(now: Instant): boolean {
    return this.leaseStore.isAway(now, 2 * (this.settings.renewIntervalMs + this.settings.requestTimeoutMs));
  }

  isDatabaseAway(now: Instant): boolean {
    return this.database.isAway(now, 2 * (this.settings.rosterPollMs + this.settings.requestTimeoutMs));
  }
}

function later(a: Instant, b: Instant): Instant {
  return a > b ? a : b;
}
