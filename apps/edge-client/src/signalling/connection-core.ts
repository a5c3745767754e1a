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

export type ConnectionInput =
  | { readonly kind: 'connect' }
  | { readonly kind: 'transport-open' }
  | { readonly kind: 'transport-failed' }
  | { readonly kind: 'transport-lost' }
  | { readonly kind: 'signed-in'; readonly resumed: boolean }
  /** `retryAfterMs` undefined: the client's own backoff decides. */
  | {
      readonly kind: 'sign-in-failed';
      readonly retryable: boolean;
      readonly retryAfterMs?: number | undefined;
    }
  | { readonly kind: 'go-away'; readonly notice: EventOf<'go-away'> }
  | { readonly kind: 'disconnect' }
  | { readonly kind: 'close' };

export type ConnectionOutput =
  | { readonly kind: 'open-transport'; readonly url: string }
  | { readonly kind: 'close-transport' }
  | { readonly kind: 'sign-in' }
  | { readonly kind: 'changed'; readonly change: ConnectionChange };

export interface ConnectionCoreOptions {
  readonly url: string;
  /** Tried in turn after `url`. */
  readonly alternates: readonly string[];
  readonly backoff: BackoffOptions;
  /** How long `connect` tries before it gives up; once online, the client never gives up. */
  readonly connectTimeoutMs: number;
  readonly random: () => number;
}

/** Decides when and where a client connects: no socket, no timer, no clock. */
export class ConnectionCore implements Core<ConnectionInput, ConnectionOutput> {
  readonly #options: ConnectionCoreOptions;
  #state: ConnectionState = 'disconnected';
  #urls: readonly string[];
  #urlIndex = 0;
  #attempt = 0;
  #retryAt: Instant | undefined;
  #giveUpAt: Instant | undefined;
  #moveAt: Instant | undefined;

  constructor(options: ConnectionCoreOptions) {
    this.#options = options;
    this.#urls = [
      ...new Set([options.url, ...options.alternates.filter((url) => isUsableAlternate(url, options.url))]),
    ];
  }

  get state(): ConnectionState {
    return this.#state;
  }

  handle(input: ConnectionInput, now: Instant): readonly ConnectionOutput[] {
    switch (input.kind) {
      case 'connect':
        return this.#connect(now);
      case 'transport-open':
        return this.#state === 'connecting'
          ? [...this.#move('authenticating', 'transport-open'), { kind: 'sign-in' }]
          : [];
      case 'transport-failed':
        return this.#state === 'connecting' ? this.#retry('transport-failed', now) : [];
      case 'transport-lost':
        return this.#state === 'authenticating' || this.#state === 'online'
          ? this.#retry('transport-lost', now)
          : [];
      case 'signed-in':
        return this.#signedIn(input.resumed);
      case 'sign-in-failed':
        return this.#signInFailed(input.retryable, input.retryAfterMs, now);
      case 'go-away':
        return this.#goAway(input.notice, now);
      case 'disconnect':
        return this.#stop('disconnected', 'disconnect-called');
      case 'close':
        return this.#stop('closed', 'close-called');
    }
  }

  handleTimeout(now: Instant): readonly ConnectionOutput[] {
    if (this.#giveUpAt !== undefined && now >= this.#giveUpAt) return this.#stop('disconnected', 'gave-up');
    if (this.#moveAt !== undefined && now >= this.#moveAt) {
      this.#moveAt = undefined;
      this.#retryAt = now;
      return [
        ...this.#move('reconnecting', 'go-away'),
        { kind: 'close-transport' },
        ...this.handleTimeout(now),
      ];
    }
    if (this.#retryAt === undefined || now < this.#retryAt) return [];
    this.#retryAt = undefined;
    return [...this.#move('connecting', 'backoff-elapsed'), this.#open()];
  }

  nextTimeoutAt(): Instant | undefined {
    const pending = [this.#retryAt, this.#giveUpAt, this.#moveAt].filter((at) => at !== undefined);
    return pending.length === 0 ? undefined : (Math.min(...pending) as Instant);
  }

  #connect(now: Instant): readonly ConnectionOutput[] {
    if (this.#state !== 'disconnected') return [];
    this.#attempt = 0;
    this.#giveUpAt = after(now, this.#options.connectTimeoutMs);
    return [...this.#move('connecting', 'connect-called'), this.#open()];
  }

  #signedIn(resumed: boolean): readonly ConnectionOutput[] {
    if (this.#state !== 'authenticating') return [];
    this.#attempt = 0;
    this.#giveUpAt = undefined;
    return this.#move('online', resumed ? 'resumed' : 'signed-in');
  }

  #signInFailed(
    retryable: boolean,
    retryAfterMs: number | undefined,
    now: Instant,
  ): readonly ConnectionOutput[] {
    if (this.#state !== 'authenticating') return [];
    if (!retryable) return this.#stop('disconnected', 'sign-in-refused');
    const outputs = this.#retry('sign-in-failed', now);
    // The supernode names when; the jitter on top keeps its clients from coming back at one instant.
    if (retryAfterMs !== undefined) this.#retryAt = after(this.#retryAt ?? now, retryAfterMs);
    return [...outputs, { kind: 'close-transport' }];
  }

  #goAway(notice: EventOf<'go-away'>, now: Instant): readonly ConnectionOutput[] {
    if (this.#state !== 'online') return [];
    // Coming back would throw the other process of this device out, which would come back in turn.
    if (notice.reason === 'replaced') return this.#stop('disconnected', 'replaced');
    if (notice.reason === 'revoked') return this.#stop('disconnected', 'revoked');
    const alternates = notice.alternates.filter((url) => isUsableAlternate(url, this.#options.url));
    this.#urls = [...new Set([...alternates, ...this.#urls])];
    this.#urlIndex = 0;
    this.#moveAt = after(now, notice.retryAfterMs + this.#options.random() * notice.windowMs);
    return [];
  }

  #retry(cause: ConnectionCause, now: Instant): readonly ConnectionOutput[] {
    this.#moveAt = undefined;
    if (cause === 'transport-failed') this.#urlIndex = (this.#urlIndex + 1) % this.#urls.length;
    this.#retryAt = after(now, fullJitter(this.#attempt, this.#options.random, this.#options.backoff));
    this.#attempt += 1;
    return this.#move('reconnecting', cause);
  }

  #stop(to: 'disconnected' | 'closed', cause: ConnectionCause): readonly ConnectionOutput[] {
    if (this.#state === to || this.#state === 'closed') return [];
    this.#retryAt = undefined;
    this.#giveUpAt = undefined;
    this.#moveAt = undefined;
    return [...this.#move(to, cause), { kind: 'close-transport' }];
  }

  #open(): ConnectionOutput {
    return { kind: 'open-transport', url: this.#urls[this.#urlIndex] ?? this.#options.url };
  }

  #move(to: ConnectionState, cause: ConnectionCause): readonly ConnectionOutput[] {
    const from = this.#state;
    if (!isTransition(from, to)) return [];
    this.#state = to;
    return [{ kind: 'changed', change: { from, to, cause } }];
  }
}

/** A supernode may send its clients elsewhere, but not from a protected transport to an open one. */
export function isUsableAlternate(url: string, configured: string): boolean {
  if (!URL.canParse(url)) return false;
  const { protocol } = new URL(url);
  if (protocol === 'https:' || protocol === 'wss:') return true;
  const isOpenAllowed = configured.startsWith('http:') || configured.startsWith('ws:');
  return isOpenAllowed && (protocol === 'http:' || protocol === 'ws:');
}
