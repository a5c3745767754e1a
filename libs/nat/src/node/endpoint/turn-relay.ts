import type { NatCrypto } from '../../crypto/crypto.port.ts';
import type { CandidateBase } from '../../ice/candidate.ts';
import type { TransportAddress } from '../../net/transport-address.ts';
import { after, earliest, type Instant } from '../../time/instant.ts';
import { TurnClient } from '../../turn/client/turn-client.ts';
import type {
  TurnClientInput,
  TurnClientOutput,
  TurnFailureCode,
} from '../../turn/client/turn-client-types.ts';
import type { RenewedCredential } from './endpoint-types.ts';

export interface TurnRelayEvents {
  send(bytes: Uint8Array): void;
  allocated(base: CandidateBase, relayed: TransportAddress, reflexive: TransportAddress, rttMs: number): void;
  /** The allocation, if there was one, is gone; another attempt follows by itself. */
  lost(base: CandidateBase | undefined, code: TurnFailureCode): void;
  data(base: CandidateBase, peer: TransportAddress, bytes: Uint8Array): void;
  peerRefused(base: CandidateBase, peer: TransportAddress): void;
  drop(reason: string): void;
  log(event: string, fields?: Readonly<Record<string, unknown>>): void;
  now(): Instant;
  /** Outputs were performed outside of the endpoint's own calls: its timer may be wrong. */
  rearm(): void;
}

export interface TurnRelayOptions {
  readonly turn: RenewedCredential & { readonly server: TransportAddress };
  /** Over a stream: a request is sent once (RFC 8489 section 6.2.2). @default false */
  readonly isReliable?: boolean;
  /** Begins the ids of the bases. */
  readonly name: string;
  readonly crypto: NatCrypto;
  readonly renewCredential: (() => Promise<RenewedCredential>) | undefined;
  readonly events: TurnRelayEvents;
}

const RETRY_MIN_MS = 2000;
const RETRY_MAX_MS = 60_000;
const RENEWAL_RETRY_MS = 5000;
const VERIFY_GAP_MS = 5000;
/** Sent once and waited for 16 times as long, 9.6 s: less than the 39.5 s of the RFC, for another connection may do. */
const RELIABLE = { requestLimit: 1, initialRtoMs: 600 };
/** Datagrams that wait for the permission of their peer: a flight of a handshake with its checks. */
const MAX_WAITING_PER_PEER = 8;
const MAX_WAITING_PEERS = 32;

/** One allocation at one TURN server, shared by all paths of an endpoint, made again when it is lost. */
export class TurnRelay {
  readonly server: TransportAddress;
  readonly #options: TurnRelayOptions;
  readonly #events: TurnRelayEvents;
  readonly #waiting = new Map<string, { readonly peer: TransportAddress; readonly bytes: Uint8Array }[]>();
  #credential: RenewedCredential;
  #client: TurnClient;
  #base: CandidateBase | undefined;
  #generation = 0;
  #startedAt: Instant;
  #retryAt: Instant | undefined;
  #retryMs = RETRY_MIN_MS;
  #renewAt: Instant | undefined;
  /** Credentials that were refused one after the other. */
  #refusals = 0;
  #verifiedAt: Instant | undefined;
  #isClosed = false;

  constructor(options: TurnRelayOptions) {
    this.#options = options;
    this.#events = options.events;
    this.server = options.turn.server;
    this.#credential = options.turn;
    this.#startedAt = this.#events.now();
    this.#client = this.#newClient();
  }

  get base(): CandidateBase | undefined {
    return this.#base;
  }

  start(now: Instant): void {
    this.#startedAt = now;
    this.#perform(this.#client.handle({ kind: 'allocate' }, now));
  }

  /** False: not for the allocation, though from its server. */
  receive(bytes: Uint8Array, now: Instant): boolean {
    const data = this.#client.unwrap(bytes);
    if (data !== undefined) {
      if (this.#base === undefined) this.#events.drop('relay-not-ready');
      else this.#events.data(this.#base, data.peer, data.bytes);
      return true;
    }
    if (!this.#client.owns(bytes)) return false;
    this.#input({ kind: 'datagram', bytes }, now);
    return true;
  }

  replaceCredential(credential: RenewedCredential, now: Instant): void {
    const { username, password } = this.#credential;
    if (credential.username === username && credential.password === password) return;
    this.#refusals = 0;
    this.#useCredential(credential, now);
  }

  /** Asks the server whether the allocation still exists (a Refresh); false where it was asked just now, by another path. */
  verify(now: Instant): boolean {
    if (this.#base === undefined) return false;
    if (this.#verifiedAt !== undefined && now < after(this.#verifiedAt, VERIFY_GAP_MS)) return false;
    this.#verifiedAt = now;
    this.#useCredential(this.#credential, now);
    return true;
  }

  /** Asks for an allocation from the start, where there is none. */
  tryAgain(now: Instant): void {
    if (this.#base !== undefined || this.#isClosed) return;
    this.#retryAt = undefined;
    this.#client = this.#newClient();
    this.start(now);
  }

  permit(peer: TransportAddress, now: Instant): void {
    this.#input({ kind: 'permit', peer }, now);
  }

  bindChannel(peer: TransportAddress, now: Instant): void {
    this.#input({ kind: 'bind-channel', peer }, now);
  }

  release(peer: TransportAddress, now: Instant): void {
    this.#waiting.delete(peer.address);
    this.#input({ kind: 'release-peer', peer }, now);
  }

  /** To the peer through the relay; waits for a permission that is on its way. */
  transmit(peer: TransportAddress, bytes: Uint8Array): void {
    const wrapped = this.#client.wrap(peer, bytes);
    if (wrapped !== undefined) {
      this.#events.send(wrapped);
      return;
    }
    const waiting = this.#waiting.get(peer.address) ?? [];
    if (
      waiting.length >= MAX_WAITING_PER_PEER ||
      (waiting.length === 0 && this.#waiting.size >= MAX_WAITING_PEERS)
    ) {
      this.#events.drop('relay-permission-pending');
      return;
    }
    waiting.push({ peer, bytes });
    this.#waiting.set(peer.address, waiting);
  }

  handleTimeout(now: Instant): void {
    if (this.#retryAt !== undefined && this.#retryAt <= now) {
      this.#retryAt = undefined;
      this.#client = this.#newClient();
      this.start(now);
    }
    if (this.#renewAt !== undefined && this.#renewAt <= now) {
      this.#renewAt = undefined;
      this.#renew();
    }
    this.#perform(this.#client.handleTimeout(now));
  }

  nextTimeoutAt(): Instant | undefined {
    return earliest(this.#client.nextTimeoutAt(), this.#retryAt, this.#renewAt);
  }

  /** Gives the allocation back; no answer is awaited. */
  close(now: Instant): void {
    this.#isClosed = true;
    this.#retryAt = undefined;
    this.#renewAt = undefined;
    this.#perform(this.#client.handle({ kind: 'deallocate' }, now));
  }

  #newClient(): TurnClient {
    const { ttlSeconds } = this.#credential;
    return new TurnClient({
      server: this.server,
      credential: this.#credential,
      ...(ttlSeconds === undefined ? {} : { credentialTtlSeconds: ttlSeconds }),
      crypto: this.#options.crypto,
      ...(this.#options.isReliable === true ? RELIABLE : {}),
      ...(this.server.family === 'ipv6' ? { relayFamily: 'ipv6' } : {}),
    });
  }

  #input(input: TurnClientInput, now: Instant): void {
    this.#perform(this.#client.handle(input, now));
  }

  #perform(outputs: readonly TurnClientOutput[]): void {
    for (const output of outputs) this.#performOne(output);
  }

  #performOne(output: TurnClientOutput): void {
    switch (output.kind) {
      case 'send':
        this.#events.send(output.bytes);
        break;
      case 'allocated':
        this.#allocated(output.relayedAddress, output.serverReflexiveAddress);
        break;
      case 'permitted':
      case 'channel-bound':
        this.#flush(output.peer);
        break;
      case 'peer-refused':
        this.#waiting.delete(output.peer.address);
        this.#events.log('relay-peer-refused', { code: output.failure.code });
        if (this.#base !== undefined) this.#events.peerRefused(this.#base, output.peer);
        break;
      case 'data':
        if (this.#base !== undefined) this.#events.data(this.#base, output.peer, output.bytes);
        break;
      case 'credential-needed':
        this.#renew();
        break;
      case 'failed':
        this.#failed(output.failure.code);
        break;
      case 'drop':
        this.#events.drop(`turn-${output.reason}`);
        break;
      case 'refreshed':
      case 'closed':
        break;
    }
  }

  #allocated(relayed: TransportAddress, reflexive: TransportAddress): void {
    this.#generation += 1;
    this.#retryMs = RETRY_MIN_MS;
    this.#refusals = 0;
    this.#base = {
      id: `${this.#options.name}-${this.#generation}`,
      kind: 'relay',
      family: relayed.family,
      server: this.server,
    };
    // Challenge and answer: an allocation takes two round trips.
    this.#events.allocated(this.#base, relayed, reflexive, (this.#events.now() - this.#startedAt) / 2);
  }

  #flush(peer: TransportAddress): void {
    const waiting = this.#waiting.get(peer.address) ?? [];
    this.#waiting.delete(peer.address);
    for (const datagram of waiting) this.transmit(datagram.peer, datagram.bytes);
  }

  #failed(code: TurnFailureCode): void {
    const base = this.#base;
    this.#base = undefined;
    this.#waiting.clear();
    if (this.#isClosed) return;
    const now = this.#events.now();
    // A lost allocation is replaced at once, a refused one is not asked for again so soon.
    this.#retryAt = base === undefined ? after(now, this.#retryMs) : now;
    if (base === undefined) this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS);
    this.#events.lost(base, code);
    if (code !== 'NAT_TURN_UNAUTHORIZED') return;
    this.#refusals += 1;
    this.#renew();
  }

  #renew(): void {
    const { renewCredential } = this.#options;
    if (renewCredential === undefined || this.#isClosed) return;
    renewCredential().then(
      (credential) => {
        this.#renewed(credential);
      },
      (error: unknown) => {
        this.#events.log('credential-renewal-failed', {
          error: error instanceof Error ? error.name : typeof error,
        });
        if (this.#isClosed) return;
        this.#renewAt = after(this.#events.now(), RENEWAL_RETRY_MS);
        this.#events.rearm();
      },
    );
  }

  #renewed(credential: RenewedCredential): void {
    if (this.#isClosed) return;
    this.#useCredential(credential, this.#events.now());
    this.#events.rearm();
  }

  #useCredential(credential: RenewedCredential, now: Instant): void {
    this.#credential = credential;
    if (this.#retryAt !== undefined) {
      // A fresh credential is tried at once, unless the one before was fresh too: then the waits grow.
      if (this.#refusals <= 1) this.#retryAt = now;
      return;
    }
    const { ttlSeconds } = credential;
    this.#input(
      {
        kind: 'renew-credential',
        credential,
        ...(ttlSeconds === undefined ? {} : { credentialTtlSeconds: ttlSeconds }),
      },
      now,
    );
  }
}
