import { after, type Instant } from '@parley/nat';
import type { ClusterSettings } from './cluster-settings.ts';

/** `informed` holds the lease and has read roster and leases since: only it plans and writes rosters. */
export const COORDINATION_STATES = ['following', 'elected', 'informed'] as const;
export type CoordinationState = (typeof COORDINATION_STATES)[number];

export const COORDINATION_TRANSITIONS = {
  following: { held: 'elected' },
  elected: { 'stores-read': 'informed', lapsed: 'following', refused: 'following', released: 'following' },
  informed: { lapsed: 'following', refused: 'following', released: 'following' },
} as const satisfies Record<CoordinationState, Partial<Record<string, CoordinationState>>>;

type CausesOf<State> = State extends CoordinationState
  ? keyof (typeof COORDINATION_TRANSITIONS)[State]
  : never;
export type CoordinationCause = CausesOf<CoordinationState>;

/** The coordinator's lease, as its holder may rely on it: until `marginMs` before its end by the own monotonic clock. */
export class Coordination {
  private current: CoordinationState = 'following';
  private until = NEVER_HELD;
  private electedAt = NEVER_HELD;

  constructor(private readonly settings: Pick<ClusterSettings, 'coordinatorTtlMs' | 'marginMs'>) {}

  /** When it was elected; what was read of the stores before says nothing about a former coordinator's last act. */
  get since(): Instant {
    return this.electedAt;
  }

  state(now: Instant): CoordinationState {
    return now < this.until ? this.current : 'following';
  }

  held(sentAt: Instant, now: Instant): void {
    const until = after(sentAt, this.settings.coordinatorTtlMs - this.settings.marginMs);
    if (until <= now) return;
    if (this.state(now) === 'following') {
      this.current = 'following';
      this.electedAt = now;
    }
    this.apply('held');
    if (until > this.until) this.until = until;
  }

  storesRead(): void {
    this.apply('stores-read');
  }

  /** Notices that the lease ran out; whether it did just now. */
  expire(now: Instant): boolean {
    if (now < this.until) return false;
    return this.apply('lapsed');
  }

  refused(): void {
    if (this.apply('refused')) this.until = NEVER_HELD;
  }

  release(): boolean {
    this.until = NEVER_HELD;
    return this.apply('released');
  }

  nextAt(): Instant | undefined {
    return this.current === 'following' ? undefined : this.until;
  }

  private apply(cause: CoordinationCause): boolean {
    const exits: Partial<Record<CoordinationCause, CoordinationState>> =
      COORDINATION_TRANSITIONS[this.current];
    const to = exits[cause];
    if (to === undefined) return false;
    this.current = to;
    return true;
  }
}

const NEVER_HELD = Number.NEGATIVE_INFINITY as Instant;
