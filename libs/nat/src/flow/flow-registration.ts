/**
 * The client's side of a registered flow, for one of its sockets: it says where it is, repeats the token of a challenge, keeps
 * the mapping alive, and says it again at once when the network may have changed.
 */
import type { NatCrypto } from '../crypto/crypto.port.ts';
import { sameTransportAddress, type TransportAddress } from '../net/transport-address.ts';
import type { Core } from '../time/core.ts';
import { after, type Instant } from '../time/instant.ts';
import {
  addressOf,
  decodeFlowControl,
  encodeFlowControl,
  FlowFrameType,
  isFlowControlAuthentic,
  tokenBody,
  tokenOf,
  type FlowControlFrame,
  type FlowLaneNumber,
} from './flow-frame.ts';

/** What signalling hands out: who this client is to the supernode's UDP port. */
export interface FlowCredentials {
  /** 8 bytes. */
  readonly flowId: Uint8Array;
  /** 32 bytes. */
  readonly key: Uint8Array;
}

export interface FlowRegistrationOptions extends FlowCredentials {
  readonly crypto: NatCrypto;
  readonly lane: FlowLaneNumber;
}

export type FlowRegistrationInput =
  | { readonly kind: 'start' }
  | { readonly kind: 'datagram'; readonly bytes: Uint8Array }
  /** Nothing comes back on some path: this socket may be behind another mapping now. */
  | { readonly kind: 'refresh' };

export type FlowRegistrationDrop = 'malformed' | 'bad-mac' | 'unexpected';

export type FlowRegistrationOutput =
  | { readonly kind: 'send'; readonly bytes: Uint8Array }
  /** The first time, after silence, and when the address is another one. */
  | { readonly kind: 'registered'; readonly observed: TransportAddress; readonly rttMs: number }
  /** The server does not answer; the attempts go on. */
  | { readonly kind: 'silent' }
  | { readonly kind: 'drop'; readonly reason: FlowRegistrationDrop };

/** Some NATs forget UDP after 30 s; a server forgets after 60 s. */
const KEEPALIVE_MIN_MS = 15_000;
const KEEPALIVE_MAX_MS = 20_000;
const FIRST_RTO_MS = 200;
const MAX_RTO_MS = 15_000;
/** Attempts without an answer after which a client that never was registered looks for another way, and one that was. */
const SILENT_AFTER_FIRST = 2;
const SILENT_AFTER = 3;
/** Several paths become suspect at the same time. */
const REFRESH_GAP_MS = 200;
/** Frames whose answers are still believed. */
const MAX_OUTSTANDING = 8;

export class FlowRegistration implements Core<FlowRegistrationInput, FlowRegistrationOutput> {
  readonly #options: FlowRegistrationOptions;
  readonly #outstanding = new Map<number, Instant>();
  #sequence = 0;
  #token: Uint8Array | undefined;
  #observed: TransportAddress | undefined;
  #state: 'idle' | 'registering' | 'registered' | 'silent' = 'idle';
  /** Since the last answer. */
  #attempts = 0;
  #sentAt: Instant | undefined;
  #nextAt: Instant | undefined;
  #rttMs: number | undefined;

  constructor(options: FlowRegistrationOptions) {
    this.#options = options;
  }

  /** Where the server sees this socket; undefined before the first answer and while it is silent. */
  get observed(): TransportAddress | undefined {
    return this.#state === 'registered' ? this.#observed : undefined;
  }

  get rttMs(): number | undefined {
    return this.#rttMs;
  }

  get isSilent(): boolean {
    return this.#state === 'silent';
  }

  handle(input: FlowRegistrationInput, now: Instant): readonly FlowRegistrationOutput[] {
    switch (input.kind) {
      case 'start':
        if (this.#state !== 'idle') return [];
        this.#state = 'registering';
        return [this.#attempt(now)];
      case 'refresh':
        return this.#refresh(now);
      case 'datagram':
        return this.#receive(input.bytes, now);
    }
  }

  handleTimeout(now: Instant): readonly FlowRegistrationOutput[] {
    if (this.#nextAt === undefined || now < this.#nextAt) return [];
    const isSilent = this.#noteSilence();
    const attempt = this.#attempt(now);
    return isSilent ? [{ kind: 'silent' }, attempt] : [attempt];
  }

  nextTimeoutAt(): Instant | undefined {
    return this.#nextAt;
  }

  #refresh(now: Instant): readonly FlowRegistrationOutput[] {
    const isTooSoon = this.#sentAt !== undefined && now < after(this.#sentAt, REFRESH_GAP_MS);
    if (this.#state === 'idle' || isTooSoon) return [];
    // Whatever the waits have grown to: the network may be another one.
    this.#attempts = 0;
    return [this.#attempt(now)];
  }

  #noteSilence(): boolean {
    const limit = this.#observed === undefined ? SILENT_AFTER_FIRST : SILENT_AFTER;
    if (this.#state === 'silent' || this.#attempts < limit) return false;
    this.#state = 'silent';
    return true;
  }

  #attempt(now: Instant): FlowRegistrationOutput {
    this.#attempts += 1;
    this.#nextAt = after(now, Math.min(MAX_RTO_MS, this.#firstRtoMs() * 2 ** (this.#attempts - 1)));
    return this.#send(now);
  }

  #firstRtoMs(): number {
    return Math.max(FIRST_RTO_MS, 2 * (this.#rttMs ?? 0));
  }

  #send(now: Instant): FlowRegistrationOutput {
    const { flowId, key, lane, crypto } = this.#options;
    this.#sequence += 1;
    this.#sentAt = now;
    this.#outstanding.set(this.#sequence, now);
    const [oldest] = this.#outstanding.keys();
    if (oldest !== undefined && this.#outstanding.size > MAX_OUTSTANDING) this.#outstanding.delete(oldest);
    const frame: FlowControlFrame = {
      type: FlowFrameType.REGISTER,
      flowId,
      sequence: this.#sequence,
      lane,
      body: tokenBody(this.#token),
    };
    return { kind: 'send', bytes: encodeFlowControl(frame, key, crypto) };
  }

  #receive(bytes: Uint8Array, now: Instant): readonly FlowRegistrationOutput[] {
    const frame = decodeFlowControl(bytes);
    if (frame === undefined) return [{ kind: 'drop', reason: 'malformed' }];
    const sentAt = this.#outstanding.get(frame.sequence);
    // An old answer says where the client was, not where it is.
    if (sentAt === undefined || frame.lane !== this.#options.lane || frame.type === FlowFrameType.REGISTER)
      return [{ kind: 'drop', reason: 'unexpected' }];
    const { key, crypto } = this.#options;
    if (!isFlowControlAuthentic(bytes, key, crypto)) return [{ kind: 'drop', reason: 'bad-mac' }];
    this.#forgetUntil(frame.sequence);
    this.#rttMs = now - sentAt;
    return frame.type === FlowFrameType.CHALLENGE ? this.#prove(frame, now) : this.#registered(frame, now);
  }

  #prove(frame: FlowControlFrame, now: Instant): readonly FlowRegistrationOutput[] {
    this.#token = tokenOf(Uint8Array.from(frame.body));
    this.#attempts = 0;
    return [this.#attempt(now)];
  }

  #registered(frame: FlowControlFrame, now: Instant): readonly FlowRegistrationOutput[] {
    const observed = addressOf(frame.body, frame.flowId);
    if (observed === undefined) return [{ kind: 'drop', reason: 'malformed' }];
    const known = this.observed;
    const isNews = known === undefined || !sameTransportAddress(known, observed);
    this.#state = 'registered';
    this.#observed = observed;
    this.#token = undefined;
    this.#attempts = 0;
    this.#nextAt = this.#keepaliveAt(now);
    return isNews ? [{ kind: 'registered', observed, rttMs: this.#rttMs ?? 0 }] : [];
  }

  /** At a random time, so that the clients of a restarted supernode do not all come at once. */
  #keepaliveAt(now: Instant): Instant {
    const [high = 0, low = 0] = this.#options.crypto.randomBytes(2);
    return after(
      now,
      KEEPALIVE_MIN_MS + ((KEEPALIVE_MAX_MS - KEEPALIVE_MIN_MS) * (high * 256 + low)) / 65_535,
    );
  }

  #forgetUntil(sequence: number): void {
    for (const known of this.#outstanding.keys()) if (known <= sequence) this.#outstanding.delete(known);
  }
}
