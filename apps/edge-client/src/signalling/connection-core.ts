import type { Core, Instant } from '@parley/nat';
import { after } from '@parley/nat';
import type { EventOf } from '@parley/protocol';
import { fullJitter, type BackoffOptions } from './backoff.ts';
import {
  isTransition,
  type ConnectionCause,
  type ConnectionChange,
  type ConnectionState,
} from './connection-state.ts';
import { FOUND_DEAD_MS, HostList, type HomesHint } from './host-list.ts';

/** What a supernode says with a refusal about the next try. */
export interface RetryHints {
  readonly retryAfterMs?: number | undefined;
  readonly windowMs?: number | undefined;
  /** Supernodes to try instead, in this order. */
  readonly alternates?: readonly string[] | undefined;
}

export type ConnectionInput =
  | { readonly kind: 'connect' }
  | { readonly kind: 'transport-open' }
  | { readonly kind: 'transport-failed' }
  | { readonly kind: 'transport-lost' }
  | { readonly kind: 'signed-in'; readonly resumed: boolean; readonly recovered: boolean }
  /** `isHostsFault`: another supernode may serve the client all the same. */
  | ({
      readonly kind: 'sign-in-failed';
      readonly retryable: boolean;
      readonly isHostsFault?: boolean;
    } & RetryHints)
  /** The user's home is another supernode. */
  | ({ readonly kind: 'not-home' } & RetryHints)
  | ({ readonly kind: 'homes' } & HomesHint)
  | { readonly kind: 'go-away'; readonly notice: EventOf<'go-away'> }
  | { readonly kind: 'disconnect' }
  | { readonly kind: 'close' };

export type ConnectionOutput =
  | { readonly kind: 'open-transport'; readonly url: string }
  | { readonly kind: 'close-transport' }
  | { readonly kind: 'sign-in' }
  | { readonly kind: 'changed'; readonly change: ConnectionChange };

export interface ConnectionCoreOptions {
  /** What the app configured, in the order to try. */
  readonly urls: readonly [string, ...string[]];
  /** What a supernode named before; tried ahead of `urls`. */
  readonly alternates: readonly string[];
  readonly backoff: BackoffOptions;
  /** How long `connect` tries before it gives up; once online, the client never gives up. */
  readonly connectTimeoutMs: number;
  /** How long one host may take to open the transport while there are others to try; twice as long after each such timeout. */
  readonly hostTimeoutMs: number;
  readonly random: () => number;
}

/** The longest that one attempt may take to open the transport. */
export const LONGEST_ATTEMPT_MS = 10_000;
/** Window of the first try after a connection was lost: the home may be dead, and others wait for this client. */
const QUICK_MS = 300;
/** Clients of one dead home come to the next one spread over this. */
const FOUND_DEAD_SPREAD_MS = 1_000;
/** A connection that ends sooner than this does not count as one that worked. */
const STABLE_MS = 5000;
/** Redirects that are followed at once, in a row; then every further one costs a wait. */
const MAX_REDIRECTS = 3;
/** Refusals for now that a host may give in a row before another one is asked. */
const MAX_BUSY = 2;
/** Nobody may keep a client away for longer. */
const LONGEST_WAIT_MS = 300_000;

/** Decides when and where a client connects: no socket, no timer, no clock. Never more than one attempt is under way. */
export class ConnectionCore implements Core<ConnectionInput, ConnectionOutput> {
  readonly #options: ConnectionCoreOptions;
  readonly #hosts: HostList;
  #state: ConnectionState = 'disconnected';
  /** Of the attempt or connection now, else of the next one. */
  #url = '';
  #attemptEndsAt: Instant | undefined;
  #retryAt: Instant | undefined;
  #giveUpAt: Instant | undefined;
  #moveAt: Instant | undefined;
  #onlineSince: Instant | undefined;
  /** Connections in a row that did not last. */
  #shortLived = 0;
  #redirectsLeft = MAX_REDIRECTS;
  #busyInARow = 0;

  constructor(options: ConnectionCoreOptions) {
    this.#options = options;
    this.#hosts = new HostList(options.urls, options.alternates);
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** The supernode of the connection, or of the attempt under way. */
  get url(): string | undefined {
    return isInFlight(this.#state) || this.#state === 'online' ? this.#url : undefined;
  }

  handle(input: ConnectionInput, now: Instant): readonly ConnectionOutput[] {
    switch (input.kind) {
      case 'connect':
        return this.#connect(now);
      case 'transport-open':
        return this.#transportOpen();
      case 'transport-failed':
        return this.#state === 'connecting' ? this.#failed('transport-failed', now) : [];
      case 'transport-lost':
        return this.#transportLost(now);
      case 'signed-in':
        return this.#signedIn(input.resumed, input.recovered, now);
      case 'sign-in-failed':
        return input.retryable ? this.#signInFailed(input, now) : this.#refused(input.isHostsFault, now);
      case 'not-home':
        return this.#notHome(input, now);
      case 'homes':
        this.#hosts.setHomes(input, now);
        return [];
      case 'go-away':
        return this.#goAway(input.notice, now);
      case 'disconnect':
        return this.#stop('disconnected', 'disconnect-called');
      case 'close':
        return this.#stop('closed', 'close-called');
    }
  }

  handleTimeout(now: Instant): readonly ConnectionOutput[] {
    if (isDue(this.#giveUpAt, now)) return this.#stop('disconnected', 'gave-up');
    if (isDue(this.#attemptEndsAt, now)) {
      return [...this.#failed('transport-timeout', now), { kind: 'close-transport' }];
    }
    if (isDue(this.#moveAt, now)) {
      this.#hosts.restart();
      return [...this.#retry('go-away', now, 0), { kind: 'close-transport' }, ...this.handleTimeout(now)];
    }
    if (!isDue(this.#retryAt, now)) return [];
    this.#retryAt = undefined;
    return [...this.#move('connecting', 'backoff-elapsed'), this.#open(now)];
  }

  nextTimeoutAt(): Instant | undefined {
    const pending = [this.#retryAt, this.#giveUpAt, this.#moveAt, this.#attemptEndsAt].filter(
      (at) => at !== undefined,
    );
    return pending.length === 0 ? undefined : (Math.min(...pending) as Instant);
  }

  #connect(now: Instant): readonly ConnectionOutput[] {
    if (this.#state !== 'disconnected') return [];
    this.#beginAnew();
    this.#shortLived = 0;
    this.#giveUpAt = after(now, this.#options.connectTimeoutMs);
    this.#url = this.#hosts.next(now);
    return [...this.#move('connecting', 'connect-called'), this.#open(now)];
  }

  #transportOpen(): readonly ConnectionOutput[] {
    if (this.#state !== 'connecting') return [];
    this.#attemptEndsAt = undefined;
    this.#hosts.opened();
    return [...this.#move('authenticating', 'transport-open'), { kind: 'sign-in' }];
  }

  #transportLost(now: Instant): readonly ConnectionOutput[] {
    if (this.#state === 'authenticating') return this.#failed('transport-lost', now);
    if (this.#state !== 'online') return [];
    this.#beginAnew();
    // Told to go within a window, its time in it stands: a supernode that drains closes all connections at once.
    if (this.#moveAt !== undefined)
      return this.#retry('transport-lost', now, Math.max(0, this.#moveAt - now));
    const quick = Math.min(QUICK_MS, this.#options.backoff.baseMs);
    return this.#retry(
      'transport-lost',
      now,
      this.#hasLasted(now) ? this.#options.random() * quick : undefined,
    );
  }

  /** Asked once, when a connection ends: supernodes that take a client and drop it, or pass it on, cost it a growing wait. */
  #hasLasted(now: Instant): boolean {
    const hasLasted = this.#onlineSince !== undefined && now - this.#onlineSince >= STABLE_MS;
    this.#shortLived = hasLasted ? 0 : this.#shortLived + 1;
    return hasLasted;
  }

  #signedIn(resumed: boolean, recovered: boolean, now: Instant): readonly ConnectionOutput[] {
    if (this.#state !== 'authenticating') return [];
    this.#hosts.worked(this.#url);
    this.#beginAnew();
    this.#giveUpAt = undefined;
    this.#onlineSince = now;
    return resumed ? this.#move('online', 'resumed', { recovered }) : this.#move('online', 'signed-in');
  }

  #refused(isHostsFault = false, now: Instant): readonly ConnectionOutput[] {
    if (this.#state !== 'authenticating') return [];
    if (!isHostsFault || !this.#hosts.exclude(this.#url))
      return this.#stop('disconnected', 'sign-in-refused');
    return [...this.#failed('sign-in-failed', now), { kind: 'close-transport' }];
  }

  #signInFailed(hints: RetryHints, now: Instant): readonly ConnectionOutput[] {
    if (this.#state !== 'authenticating') return [];
    const wait = this.#namedWait(hints);
    if (wait === undefined) {
      this.#hosts.advise(hints.alternates ?? []);
      return [...this.#failed('sign-in-failed', now), { kind: 'close-transport' }];
    }
    this.#hosts.reached(this.#url);
    this.#busyInARow += 1;
    const isPatient = this.#busyInARow <= MAX_BUSY;
    if (!isPatient) {
      this.#hosts.advise(hints.alternates ?? []);
      this.#busyInARow = 0;
    }
    return [
      ...this.#retry('sign-in-failed', now, wait, isPatient ? this.#url : undefined),
      { kind: 'close-transport' },
    ];
  }

  #notHome(hints: RetryHints, now: Instant): readonly ConnectionOutput[] {
    if (this.#state === 'online') return this.#movedAway(hints, now);
    if (this.#state !== 'authenticating') return [];
    this.#hosts.reached(this.#url);
    const home = this.#hosts.advise(hints.alternates ?? []).find((url) => url !== this.#url);
    if (home !== undefined && this.#hosts.isFoundDeadFor(home, now) > 0)
      return this.#homeFoundDead(home, hints, now);
    if (home === undefined || this.#hosts.isExcluded(home) || this.#redirectsLeft === 0) {
      this.#redirectsLeft = 1;
      return [...this.#retry('redirected', now, this.#namedWait(hints)), { kind: 'close-transport' }];
    }
    this.#redirectsLeft -= 1;
    this.#hosts.visit(home);
    return [
      ...this.#retry('redirected', now, this.#namedWait(hints) ?? 0, home),
      { kind: 'close-transport' },
      ...this.handleTimeout(now),
    ];
  }

  /**
   * A home that was just found dead is not asked again at once, and nobody else is before the cluster knows of it: its next home waits for
   * the former one for longer. Where nobody was there a moment ago it is the cluster that comes back, this home with it.
   */
  #homeFoundDead(home: string, hints: RetryHints, now: Instant): readonly ConnectionOutput[] {
    const { random } = this.#options;
    const isComing = this.#hosts.rounds > 0 && this.#hosts.timeoutsOf(home) === 0;
    const soon = isComing
      ? Math.min(this.#backoff(), random() * FOUND_DEAD_MS)
      : this.#hosts.isFoundDeadFor(home, now) + random() * FOUND_DEAD_SPREAD_MS;
    const next = isComing ? home : undefined;
    return [
      ...this.#retry('redirected', now, this.#namedWait(hints) ?? soon, next),
      { kind: 'close-transport' },
    ];
  }

  /** The supernode that this client is online at lost its user: it may not have come to say so by itself yet. */
  #movedAway({ alternates = [] }: RetryHints, now: Instant): readonly ConnectionOutput[] {
    if (this.#hosts.advise(alternates).every((url) => url === this.#url)) return [];
    return this.#moveWithin(0, QUICK_MS, now);
  }

  #goAway(notice: EventOf<'go-away'>, now: Instant): readonly ConnectionOutput[] {
    if (this.#state !== 'online') return [];
    // Coming back would throw the other process of this device out, which would come back in turn.
    if (notice.reason === 'replaced') return this.#stop('disconnected', 'replaced');
    if (notice.reason === 'revoked') return this.#stop('disconnected', 'revoked');
    this.#hosts.advise(notice.alternates);
    return this.#moveWithin(notice.retryAfterMs, notice.windowMs, now);
  }

  #moveWithin(retryAfterMs: number, windowMs: number, now: Instant): readonly ConnectionOutput[] {
    this.#hosts.avoid(this.#url, now);
    const moveAt = after(now, this.#waitWithin(retryAfterMs, windowMs));
    if (this.#moveAt === undefined) {
      this.#moveAt = this.#hasLasted(now) ? moveAt : after(moveAt, this.#backoff());
    } else if (moveAt < this.#moveAt) {
      this.#moveAt = moveAt; // a supernode that repeats itself does not put it off
    }
    return [];
  }

  /** The host came to nothing: another one's turn. */
  #failed(cause: ConnectionCause, now: Instant): readonly ConnectionOutput[] {
    this.#hosts.failed(this.#url, now, cause === 'transport-timeout');
    return this.#retry(cause, now, this.#isRestOfRoundDue(cause, now) ? 0 : undefined);
  }

  /**
   * From the second round on, hosts that are not there are gone through without waits between them, and each round costs one wait:
   * when a whole cluster comes back, clients come to their homes first and not to whoever is next in their round.
   */
  #isRestOfRoundDue(cause: ConnectionCause, now: Instant): boolean {
    const isAbsent = cause === 'transport-failed' || cause === 'transport-timeout';
    return isAbsent && this.#hosts.rounds > 0 && this.#hosts.hasUntried(now);
  }

  /** Without `waitMs` the client's own backoff decides, without `url` the list of hosts. */
  #retry(cause: ConnectionCause, now: Instant, waitMs?: number, url?: string): readonly ConnectionOutput[] {
    this.#attemptEndsAt = undefined;
    this.#moveAt = undefined;
    if (url === undefined) this.#busyInARow = 0;
    this.#url = url ?? this.#hosts.next(now);
    this.#retryAt = after(now, waitMs ?? this.#backoff());
    return this.#move('reconnecting', cause);
  }

  /** The window grows with every round through the hosts, and with connections that do not last. */
  #backoff(): number {
    const exponent = Math.max(0, this.#hosts.rounds - 1) + Math.max(0, this.#shortLived - 1);
    return fullJitter(exponent, this.#options.random, this.#options.backoff);
  }

  /** The supernode names when; undefined where it does not. Without a window of its own ours keeps its clients apart. */
  #namedWait({ retryAfterMs, windowMs }: RetryHints): number | undefined {
    // Zeros name no time either: all who were refused together would be back at once.
    if ((retryAfterMs ?? 0) === 0 && (windowMs ?? 0) === 0) return undefined;
    if (windowMs === undefined) return this.#waitWithin(retryAfterMs ?? 0, 0) + this.#backoff();
    return this.#waitWithin(retryAfterMs ?? 0, windowMs);
  }

  #waitWithin(retryAfterMs: number, windowMs: number): number {
    const window = Math.min(windowMs, LONGEST_WAIT_MS);
    return Math.min(retryAfterMs, LONGEST_WAIT_MS) + this.#options.random() * window;
  }

  #beginAnew(): void {
    this.#hosts.restart();
    this.#redirectsLeft = MAX_REDIRECTS;
    this.#busyInARow = 0;
  }

  #stop(to: 'disconnected' | 'closed', cause: ConnectionCause): readonly ConnectionOutput[] {
    if (this.#state === to || this.#state === 'closed') return [];
    this.#retryAt = undefined;
    this.#giveUpAt = undefined;
    this.#moveAt = undefined;
    this.#attemptEndsAt = undefined;
    return [...this.#move(to, cause), { kind: 'close-transport' }];
  }

  #open(now: Instant): ConnectionOutput {
    this.#attemptEndsAt = after(now, Math.min(this.#patience(), LONGEST_ATTEMPT_MS));
    return { kind: 'open-transport', url: this.#url };
  }

  /** A host that refused a moment ago and is silent now has just come back, with all clients at its door: others would be no faster. */
  #patience(): number {
    const { hostTimeoutMs } = this.#options;
    if (this.#hosts.hasRefused(this.#url) || !this.#hosts.hasOthers(this.#url)) return LONGEST_ATTEMPT_MS;
    return hostTimeoutMs * 2 ** Math.min(this.#hosts.timeoutsOf(this.#url), 8);
  }

  #move(
    to: ConnectionState,
    cause: ConnectionCause,
    more: Pick<ConnectionChange, 'recovered'> = {},
  ): readonly ConnectionOutput[] {
    const from = this.#state;
    if (!isTransition(from, to)) return [];
    this.#state = to;
    return [{ kind: 'changed', change: { from, to, cause, ...more } }];
  }
}

function isInFlight(state: ConnectionState): boolean {
  return state === 'connecting' || state === 'authenticating';
}

function isDue(at: Instant | undefined, now: Instant): boolean {
  return at !== undefined && now >= at;
}
