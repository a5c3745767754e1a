/**
 * Asks the gateway in front of a socket for a port of its own outside (RFC 6887, and RFC 6886 where it knows no better), keeps
 * it, and gives it back. The answers come from whoever holds the gateway's address: they are matched by nonce where the
 * protocol has one, and nothing in them is more than a claim.
 */
import type { NatCrypto } from '../crypto/crypto.port.ts';
import { transportAddress } from '../net/ip-address.ts';
import { sameTransportAddress, type TransportAddress } from '../net/transport-address.ts';
import type { Core } from '../time/core.ts';
import { after, earliest, type Instant } from '../time/instant.ts';
import type { MappingDialect, MappingProtocol, MappingReading, PortMappingDrop } from './mapping-dialect.ts';
import { NatPmpDialect } from './nat-pmp-dialect.ts';
import { PCP_NONCE_BYTES } from './pcp-message.ts';
import { PcpDialect } from './pcp-dialect.ts';
import { ServerEpoch } from './server-epoch.ts';

export interface PortMappingClientOptions {
  readonly crypto: NatCrypto;
  /** Our IPv4 address on the way to the gateway. */
  readonly client: string;
  /** Port of the socket that is to be reached. */
  readonly internalPort: number;
  /** What is asked for; the gateway decides. @default 3600 */
  readonly lifetimeSeconds?: number;
}

export type PortMappingInput =
  | { readonly kind: 'start' }
  /** From the gateway's port; whoever feeds it has compared the source. */
  | { readonly kind: 'datagram'; readonly bytes: Uint8Array }
  /** The gateway has that port closed. */
  | { readonly kind: 'unreachable' }
  /** Something changed in the network: is the mapping still there? */
  | { readonly kind: 'confirm' }
  | { readonly kind: 'close' };

export type PortMappingOutput =
  | { readonly kind: 'send'; readonly bytes: Uint8Array }
  /** The first time, and whenever the address outside is another one. */
  | { readonly kind: 'mapped'; readonly protocol: MappingProtocol; readonly external: TransportAddress }
  | { readonly kind: 'lost'; readonly cause: 'expired' | 'deleted' }
  /** The attempts go on. */
  | { readonly kind: 'refused'; readonly protocol: MappingProtocol; readonly result: number }
  /** No answer so far; the attempts go on. */
  | { readonly kind: 'silent' }
  | { readonly kind: 'drop'; readonly reason: PortMappingDrop }
  | { readonly kind: 'closed' };

const DEFAULT_LIFETIME_SECONDS = 3600;
/** What a gateway says beyond this is not believed (RFC 6887 section 15). */
const MAX_LIFETIME_SECONDS = 86_400;
/** Nobody is told of an address that is gone at once; two renewals fit. */
const MIN_LIFETIME_SECONDS = 10;
/** RFC 6887 section 11.2.1. */
const MIN_RENEWAL_GAP_MS = 4000;
/** Bounds of how long an error is believed. */
const MIN_RETRY_SECONDS = 30;
const MAX_RETRY_SECONDS = 1800;
/** After a gateway that spoke NAT-PMP fell silent. */
const SILENT_RETRY_MS = 900_000;
/** Many clients hear the same announcement (RFC 6887 section 14.1.3). */
const ANNOUNCEMENT_SPREAD_MS = 5000;
const CLOSE_ATTEMPTS = 2;
const CLOSE_TIMEOUT_MS = 250;

interface Asking {
  attempts: number;
  timeoutMs: number;
  nextAt: Instant;
}

interface Held {
  readonly external: TransportAddress;
  readonly since: Instant;
  readonly lifetimeMs: number;
  renewals: number;
  renewAt: Instant;
}

export class PortMappingClient implements Core<PortMappingInput, PortMappingOutput> {
  readonly #options: Required<PortMappingClientOptions>;
  readonly #epoch = new ServerEpoch();
  readonly #pcp: PcpDialect;
  #dialect: MappingDialect;
  #asking: Asking | undefined;
  #held: Held | undefined;
  /** Asked again then: after an error, or an announcement. */
  #askAt: Instant | undefined;
  #closing: { attempts: number; nextAt: Instant } | undefined;
  #isClosed = false;
  #isSilent = false;
  #outputs: PortMappingOutput[] = [];

  constructor(options: PortMappingClientOptions) {
    this.#options = { lifetimeSeconds: DEFAULT_LIFETIME_SECONDS, ...options };
    this.#pcp = new PcpDialect({ ...this.#options, nonce: options.crypto.randomBytes(PCP_NONCE_BYTES) });
    this.#dialect = this.#pcp;
  }

  /** Where the socket can be reached from outside, by what the gateway says. */
  get external(): TransportAddress | undefined {
    return this.#held?.external;
  }

  handle(input: PortMappingInput, now: Instant): readonly PortMappingOutput[] {
    if (this.#isClosed) return [];
    switch (input.kind) {
      case 'start':
        this.#ask(now);
        break;
      case 'datagram':
        this.#read(this.#dialect.read(input.bytes), now);
        break;
      case 'unreachable':
        if (this.#asking !== undefined) this.#tellSilence();
        break;
      case 'confirm':
        if (this.#closing === undefined) this.#ask(now);
        break;
      case 'close':
        this.#close(now);
        break;
    }
    return this.#take();
  }

  handleTimeout(now: Instant): readonly PortMappingOutput[] {
    if (this.#closing !== undefined) {
      if (isDue(this.#closing.nextAt, now)) this.#delete(now);
      return this.#take();
    }
    if (this.#held !== undefined && isDue(expiryOf(this.#held), now)) {
      this.#lose('expired');
      this.#ask(now);
    }
    if (isDue(this.#held?.renewAt, now)) this.#renew(now);
    if (isDue(this.#askAt, now)) this.#ask(now);
    if (isDue(this.#asking?.nextAt, now)) this.#repeat(now);
    return this.#take();
  }

  nextTimeoutAt(): Instant | undefined {
    if (this.#isClosed) return undefined;
    if (this.#closing !== undefined) return this.#closing.nextAt;
    const expiresAt = this.#held === undefined ? undefined : expiryOf(this.#held);
    return earliest(this.#asking?.nextAt, this.#held?.renewAt, expiresAt, this.#askAt);
  }

  #ask(now: Instant): void {
    this.#askAt = undefined;
    this.#dialect.begin();
    this.#asking = { attempts: 0, timeoutMs: this.#dialect.firstTimeoutMs, nextAt: now };
    this.#repeat(now);
  }

  #repeat(now: Instant): void {
    const asking = this.#asking;
    if (asking === undefined) return;
    const { maxAttempts, maxTimeoutMs, jitter } = this.#dialect;
    if (asking.attempts > 0 && this.#dialect.protocol === 'pcp') this.#tellSilence();
    if (asking.attempts === maxAttempts) {
      this.#tellSilence();
      this.#startOver(now, SILENT_RETRY_MS);
      return;
    }
    asking.attempts += 1;
    this.#sendRequests();
    asking.nextAt = after(now, asking.timeoutMs * (1 + jitter * (2 * this.#chance() - 1)));
    asking.timeoutMs = Math.min(2 * asking.timeoutMs, maxTimeoutMs);
  }

  /** One message, not repeated: the next renewal is the repetition (RFC 6887 section 11.2.1). */
  #renew(now: Instant): void {
    const held = this.#held;
    if (held === undefined) return;
    held.renewals += 1;
    held.renewAt = this.#renewalAt(held, now);
    this.#dialect.begin();
    this.#sendRequests();
  }

  #renewalAt({ since, lifetimeMs, renewals }: Omit<Held, 'renewAt'>, now: Instant): Instant {
    const left = lifetimeMs / 2 ** (renewals + 1);
    const at = after(since, lifetimeMs - left + (this.#chance() * left) / 4);
    return at - now < MIN_RENEWAL_GAP_MS ? after(now, MIN_RENEWAL_GAP_MS) : at;
  }

  #sendRequests(): void {
    const any = transportAddress('0.0.0.0', this.#options.internalPort);
    for (const bytes of this.#dialect.requests(this.#held?.external ?? any)) {
      this.#outputs.push({ kind: 'send', bytes });
    }
  }

  #read(reading: MappingReading, now: Instant): void {
    if (reading.kind === 'drop') {
      this.#outputs.push(reading);
      return;
    }
    if (this.#closing !== undefined) {
      if (reading.kind === 'deleted' || reading.kind === 'refused') this.#end();
      return;
    }
    switch (reading.kind) {
      case 'mapped':
        this.#mapped(reading, now);
        break;
      case 'refused':
        this.#refused(reading, now);
        break;
      case 'speaks-nat-pmp':
        this.#stepDown(now);
        break;
      case 'deleted':
        // The gateway takes it back, as it may (RFC 6887 section 14.2).
        if (this.#held === undefined) this.#drop('unexpected');
        else {
          this.#lose('deleted');
          this.#askAt = after(now, MIN_RETRY_SECONDS * 1000);
        }
        break;
      case 'epoch':
        if (!this.#epoch.continues(reading.epochSeconds, now) && this.#held !== undefined)
          this.#askAt = after(now, this.#chance() * ANNOUNCEMENT_SPREAD_MS);
        break;
      case 'changed':
        this.#ask(now);
        break;
      case 'partial':
        break;
    }
  }

  #mapped(
    { external, lifetimeSeconds, epochSeconds }: Extract<MappingReading, { kind: 'mapped' }>,
    now: Instant,
  ): void {
    if (lifetimeSeconds < MIN_LIFETIME_SECONDS) {
      this.#drop('lifetime-too-short');
      this.#startOver(now, MIN_RETRY_SECONDS * 1000);
      return;
    }
    this.#epoch.continues(epochSeconds, now);
    this.#asking = undefined;
    this.#askAt = undefined;
    this.#isSilent = false;
    const known = this.#held?.external;
    const lifetimeMs = Math.min(lifetimeSeconds, MAX_LIFETIME_SECONDS) * 1000;
    const held = { external, since: now, lifetimeMs, renewals: 0 };
    this.#held = { ...held, renewAt: this.#renewalAt(held, now) };
    if (known !== undefined && sameTransportAddress(known, external)) return;
    this.#outputs.push({ kind: 'mapped', protocol: this.#dialect.protocol, external });
  }

  /** A mapping that is not renewed stands until it expires. */
  #refused({ result, retrySeconds }: Extract<MappingReading, { kind: 'refused' }>, now: Instant): void {
    const { protocol } = this.#dialect;
    this.#outputs.push({ kind: 'refused', protocol, result });
    this.#startOver(now, Math.min(Math.max(retrySeconds, MIN_RETRY_SECONDS), MAX_RETRY_SECONDS) * 1000);
  }

  #startOver(now: Instant, delayMs: number): void {
    this.#asking = undefined;
    if (this.#held === undefined) this.#dialect = this.#pcp;
    this.#askAt = after(now, delayMs);
  }

  #stepDown(now: Instant): void {
    if (this.#asking === undefined && this.#held === undefined) {
      this.#drop('unexpected');
      return;
    }
    this.#epoch.forget();
    this.#dialect = new NatPmpDialect(this.#options);
    this.#ask(now);
  }

  #lose(cause: 'expired' | 'deleted'): void {
    this.#held = undefined;
    this.#dialect = this.#pcp;
    this.#epoch.forget();
    this.#outputs.push({ kind: 'lost', cause });
  }

  /** What was asked for may have been given without our hearing of it: that is deleted too. */
  #close(now: Instant): void {
    if (this.#closing !== undefined) return;
    const isPossible = this.#held !== undefined || (this.#asking !== undefined && !this.#isSilent);
    if (!isPossible) {
      this.#end();
      return;
    }
    this.#asking = undefined;
    this.#askAt = undefined;
    this.#closing = { attempts: 0, nextAt: now };
    this.#delete(now);
  }

  #delete(now: Instant): void {
    const closing = this.#closing;
    if (closing === undefined) return;
    if (closing.attempts === CLOSE_ATTEMPTS) {
      this.#end();
      return;
    }
    closing.attempts += 1;
    closing.nextAt = after(now, CLOSE_TIMEOUT_MS);
    this.#outputs.push({ kind: 'send', bytes: this.#dialect.deletion() });
  }

  #end(): void {
    this.#isClosed = true;
    this.#closing = undefined;
    this.#held = undefined;
    this.#outputs.push({ kind: 'closed' });
  }

  #tellSilence(): void {
    if (this.#isSilent || this.#held !== undefined) return;
    this.#isSilent = true;
    this.#outputs.push({ kind: 'silent' });
  }

  #drop(reason: PortMappingDrop): void {
    this.#outputs.push({ kind: 'drop', reason });
  }

  /** 0 to just below 1. */
  #chance(): number {
    const [high = 0, low = 0] = this.#options.crypto.randomBytes(2);
    return (high * 256 + low) / 65_536;
  }

  #take(): readonly PortMappingOutput[] {
    const outputs = this.#outputs;
    this.#outputs = [];
    return outputs;
  }
}

function expiryOf({ since, lifetimeMs }: Held): Instant {
  return after(since, lifetimeMs);
}

function isDue(at: Instant | undefined, now: Instant): boolean {
  return at !== undefined && at <= now;
}
