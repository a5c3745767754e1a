/**
 * TURN client over UDP (RFC 8656): one allocation at one server, as a sans-io core.
 *
 *     idle -> allocating -> allocated -> deallocating -> closed
 *                 \____________\______-> failed
 *
 * Requests are answered in any order and each retransmits for itself; every answer is checked with the key of its request.
 */
import type { TransportAddress } from '../../net/transport-address.ts';
import { XorMappedAddress, XorRelayedAddress } from '../../stun/attributes/address.ts';
import { ErrorCode } from '../../stun/attributes/error.ts';
import { Lifetime } from '../../stun/attributes/turn.ts';
import { DEFAULT_RETRANSMISSION } from '../../stun/client-transaction.ts';
import { StunErrorCode } from '../../stun/error-code.ts';
import { decodeStunMessage, looksLikeStun, type StunMessage } from '../../stun/message.ts';
import { newTransactionId } from '../../stun/transaction-id.ts';
import type { Core } from '../../time/core.ts';
import { after, earliest, type Instant } from '../../time/instant.ts';
import { TimerQueue, type Timer } from '../../time/timer-queue.ts';
import { decodeChannelData, encodeChannelData, looksLikeChannelData } from '../channel-data.ts';
import { DEFAULT_LIFETIME_S } from '../limits.ts';
import {
  encodeSendIndication,
  isDataIndication,
  readRelayedData,
  type RelayedData,
} from '../relayed-data.ts';
import { LongTermSession } from './long-term-session.ts';
import { PeerKeeper } from './peer-keeper.ts';
import { PendingRequests, type PendingRequest } from './pending-requests.ts';
import { buildRequest, type RequestPurpose } from './request-purpose.ts';
import type {
  TurnClientInput,
  TurnClientOptions,
  TurnClientOutput,
  TurnClientState,
  TurnFailure,
} from './turn-client-types.ts';
import { failureOf, isAcceptableUnsigned } from './turn-failure.ts';

type TimerEvent =
  { readonly kind: 'refresh' } | { readonly kind: 'expiry' } | { readonly kind: 'credential-half-life' };

/** A server that calls each nonce stale must not keep the client busy for ever. */
const MAX_CHALLENGES = 4;
const TIMED_OUT: TurnFailure = { code: 'NAT_TURN_TIMEOUT' };

export class TurnClient implements Core<TurnClientInput, TurnClientOutput> {
  private readonly options: TurnClientOptions;
  private readonly session: LongTermSession;
  private readonly peers: PeerKeeper;
  private readonly requests: PendingRequests;
  private readonly timers = new TimerQueue<TimerEvent>();
  /** Requests that wait for a new credential because the present one was refused. */
  private parked: RequestPurpose[] = [];
  private credentialVersion = 0;
  private isCredentialAsked = false;
  private hasCleared = false;
  private currentState: TurnClientState = 'idle';
  private relayed: TransportAddress | undefined;
  private refreshTimer: Timer<TimerEvent> | undefined;
  private expiryTimer: Timer<TimerEvent> | undefined;
  private halfLifeTimer: Timer<TimerEvent> | undefined;
  private outputs: TurnClientOutput[] = [];

  constructor(options: TurnClientOptions) {
    this.options = options;
    this.session = new LongTermSession(options.crypto, options.credential);
    this.peers = new PeerKeeper({
      request: (purpose, now) => this.request(purpose, now),
      emit: (output) => this.emit(output),
    });
    this.requests = new PendingRequests({
      rto: options.initialRtoMs ?? DEFAULT_RETRANSMISSION.rto,
      rc: options.requestLimit ?? DEFAULT_RETRANSMISSION.rc,
      rm: DEFAULT_RETRANSMISSION.rm,
    });
  }

  get state(): TurnClientState {
    return this.currentState;
  }

  get relayedAddress(): TransportAddress | undefined {
    return this.relayed;
  }

  handle(input: TurnClientInput, now: Instant): readonly TurnClientOutput[] {
    switch (input.kind) {
      case 'allocate':
        this.allocate(now);
        break;
      case 'datagram':
        this.receive(input.bytes, now);
        break;
      case 'permit':
        this.peers.permit(input.peer, now);
        break;
      case 'bind-channel':
        this.peers.bindChannel(input.peer, now);
        break;
      case 'release-peer':
        this.peers.table.release(input.peer);
        break;
      case 'renew-credential':
        this.renewCredential(input, now);
        break;
      case 'deallocate':
        this.deallocate(now);
        break;
    }
    return this.takeOutputs();
  }

  handleTimeout(now: Instant): readonly TurnClientOutput[] {
    for (const output of this.requests.handleTimeout(now)) {
      if (output.kind === 'send') this.emit(output);
      else this.refuse(output.request.purpose, TIMED_OUT, now);
    }
    for (let event = this.timers.takeDue(now); event !== undefined; event = this.timers.takeDue(now)) {
      this.fire(event, now);
    }
    this.peers.handleTimeout(now);
    return this.takeOutputs();
  }

  nextTimeoutAt(): Instant | undefined {
    return earliest(this.requests.nextTimeoutAt(), this.timers.nextAt(), this.peers.nextTimeoutAt());
  }

  /**
   * Bytes to send to the server so that `peer` gets `bytes`: ChannelData where a channel is bound, else a Send indication;
   * `undefined` where the peer has no permission (the server would drop it).
   */
  wrap(peer: TransportAddress, bytes: Uint8Array): Uint8Array | undefined {
    const channel = this.peers.table.channelOf(peer);
    if (channel?.isBound === true) return encodeChannelData(channel.number, bytes);
    if (this.peers.table.permissionOf(peer)?.isInstalled !== true) return undefined;
    return encodeSendIndication({ peer, bytes }, newTransactionId(this.options.crypto));
  }

  /** What a peer sent, where the server's datagram is ChannelData or a Data indication. `bytes` is a view of it. */
  unwrap(datagram: Uint8Array): RelayedData | undefined {
    if (looksLikeChannelData(datagram)) {
      const message = decodeChannelData(datagram);
      const channel = message === undefined ? undefined : this.peers.table.channelByNumber(message.channel);
      return message === undefined || channel === undefined
        ? undefined
        : { peer: channel.peer, bytes: message.data };
    }
    if (!looksLikeStun(datagram)) return undefined;
    const decoded = decodeStunMessage(datagram);
    return decoded.ok && isDataIndication(decoded.message) ? readRelayedData(decoded.message) : undefined;
  }

  /** On a shared socket: whether a datagram from the server is for this client (Binding responses are not). */
  owns(datagram: Uint8Array): boolean {
    if (looksLikeChannelData(datagram)) {
      const message = decodeChannelData(datagram);
      return message !== undefined && this.peers.table.channelByNumber(message.channel) !== undefined;
    }
    if (!looksLikeStun(datagram)) return false;
    const decoded = decodeStunMessage(datagram);
    if (!decoded.ok) return false;
    return isDataIndication(decoded.message) || this.requests.requestOf(decoded.message) !== undefined;
  }

  // Inputs

  private allocate(now: Instant): void {
    if (this.currentState !== 'idle') return;
    this.currentState = 'allocating';
    this.armHalfLife(this.options.credentialTtlSeconds, now);
    this.request({ kind: 'allocate' }, now);
  }

  private renewCredential(input: Extract<TurnClientInput, { kind: 'renew-credential' }>, now: Instant): void {
    this.session.replaceCredential(input.credential);
    this.credentialVersion += 1;
    this.isCredentialAsked = false;
    this.armHalfLife(input.credentialTtlSeconds, now);
    const parked = this.parked.filter(({ kind }) => kind !== 'refresh');
    this.parked = [];
    if (this.currentState !== 'allocated') return;
    this.request({ kind: 'refresh' }, now);
    for (const purpose of parked) this.request(purpose, now);
  }

  private deallocate(now: Instant): void {
    if (this.currentState === 'allocated') {
      this.currentState = 'deallocating';
      this.requests.endAll();
      this.request({ kind: 'deallocate' }, now);
    } else if (this.currentState === 'allocating') {
      // The server may have allocated already: the answer is awaited, then the allocation is given back.
      this.currentState = 'deallocating';
    } else if (this.currentState === 'idle') {
      this.close();
    }
  }

  private receive(bytes: Uint8Array, now: Instant): void {
    if (looksLikeChannelData(bytes)) {
      const data = this.unwrap(bytes);
      this.emit(data === undefined ? { kind: 'drop', reason: 'unknown-channel' } : { kind: 'data', ...data });
      return;
    }
    const decoded = decodeStunMessage(bytes);
    if (!decoded.ok) {
      this.emit({ kind: 'drop', reason: 'malformed' });
      return;
    }
    const { message } = decoded;
    if (isDataIndication(message)) {
      const data = readRelayedData(message);
      this.emit(data === undefined ? { kind: 'drop', reason: 'malformed' } : { kind: 'data', ...data });
    } else if (message.messageClass === 'success' || message.messageClass === 'error') {
      this.receiveResponse(message, now);
    } else {
      this.emit({ kind: 'drop', reason: 'unexpected-message' });
    }
  }

  // Responses

  private receiveResponse(message: StunMessage, now: Instant): void {
    const request = this.requests.requestOf(message);
    if (request === undefined) {
      this.emit({ kind: 'drop', reason: 'unknown-transaction' });
      return;
    }
    const error = message.messageClass === 'error' ? message.get(ErrorCode)?.code : undefined;
    if (message.messageClass === 'error' && error === undefined) {
      this.emit({ kind: 'drop', reason: 'invalid-response' });
      return;
    }
    const refusal = this.integrityRefusal(message, request, error);
    if (refusal !== undefined) {
      this.emit({ kind: 'drop', reason: refusal });
      return;
    }
    this.requests.end(message);
    if (error === undefined) this.succeed(request.purpose, message, now);
    else if (error === StunErrorCode.UNAUTHENTICATED || error === StunErrorCode.STALE_NONCE)
      this.challenged(request, message, error, now);
    else this.refuse(request.purpose, failureOf(error), now);
  }

  /** RFC 8489 section 9.2.5: an answer to a protected request is protected, save for errors sent before the server knew the key. */
  private integrityRefusal(
    message: StunMessage,
    { integrity }: PendingRequest,
    error: number | undefined,
  ): 'bad-integrity' | 'unauthenticated-response' | undefined {
    if (integrity === undefined) return error === undefined ? 'unauthenticated-response' : undefined;
    const verdict = this.session.verify(message, integrity);
    if (verdict === 'wrong') return 'bad-integrity';
    if (verdict === 'valid' || (error !== undefined && isAcceptableUnsigned(error))) return undefined;
    return 'unauthenticated-response';
  }

  private challenged(request: PendingRequest, message: StunMessage, error: number, now: Instant): void {
    const isRefused =
      error === StunErrorCode.UNAUTHENTICATED &&
      request.integrity !== undefined &&
      request.credentialVersion === this.credentialVersion;
    if (isRefused) {
      this.credentialRefused(request.purpose, now);
      return;
    }
    const verdict = this.session.accept(message);
    if (verdict === 'bid-down') this.refuse(request.purpose, { code: 'NAT_TURN_BID_DOWN' }, now);
    else if (verdict === 'invalid' || request.challenges >= MAX_CHALLENGES) {
      this.refuse(request.purpose, { code: 'NAT_TURN_UNAUTHORIZED', stunErrorCode: error }, now);
    } else this.request(request.purpose, now, request.challenges + 1);
  }

  private credentialRefused(purpose: RequestPurpose, now: Instant): void {
    if (this.currentState !== 'allocated') {
      this.refuse(purpose, failureOf(StunErrorCode.UNAUTHENTICATED), now);
      return;
    }
    this.parked.push(purpose);
    this.askForCredential();
  }

  private succeed(purpose: RequestPurpose, message: StunMessage, now: Instant): void {
    switch (purpose.kind) {
      case 'allocate':
        this.allocated(message, now);
        break;
      case 'clear':
        this.request({ kind: 'allocate' }, now);
        break;
      case 'refresh': {
        const lifetimeSeconds = message.get(Lifetime) ?? DEFAULT_LIFETIME_S;
        this.armLifetime(lifetimeSeconds, now);
        this.emit({ kind: 'refreshed', lifetimeSeconds });
        break;
      }
      case 'deallocate':
        this.close();
        break;
      case 'permission':
        this.peers.permissionInstalled(purpose.permission, now);
        break;
      case 'channel':
        this.peers.channelBound(purpose.channel, now);
        break;
    }
  }

  private allocated(message: StunMessage, now: Instant): void {
    const relayedAddress = message.get(XorRelayedAddress);
    const serverReflexiveAddress = message.get(XorMappedAddress);
    const lifetimeSeconds = message.get(Lifetime);
    if (
      relayedAddress === undefined ||
      serverReflexiveAddress === undefined ||
      lifetimeSeconds === undefined
    ) {
      this.fail({ code: 'NAT_TURN_REFUSED' });
      return;
    }
    if (this.currentState === 'deallocating') {
      this.request({ kind: 'deallocate' }, now);
      return;
    }
    this.currentState = 'allocated';
    this.relayed = relayedAddress;
    this.emit({ kind: 'allocated', relayedAddress, serverReflexiveAddress, lifetimeSeconds });
    this.armLifetime(lifetimeSeconds, now);
    this.peers.start(now);
  }

  private refuse(purpose: RequestPurpose, failure: TurnFailure, now: Instant): void {
    // Requests that time out together: the first may have ended the client.
    if (this.hasEnded()) return;
    const isAllocationLost = failure.stunErrorCode === StunErrorCode.ALLOCATION_MISMATCH;
    switch (purpose.kind) {
      case 'allocate':
        if (isAllocationLost && !this.hasCleared) {
          this.hasCleared = true;
          this.request({ kind: 'clear' }, now);
        } else this.fail(failure);
        break;
      case 'clear':
        if (isAllocationLost) this.request({ kind: 'allocate' }, now);
        else this.fail(failure);
        break;
      case 'deallocate':
        this.close();
        break;
      case 'refresh':
        // Without an answer the allocation may still live: tried again until it would have expired.
        if (failure === TIMED_OUT && this.currentState === 'allocated') this.request(purpose, now);
        else this.fail(failure);
        break;
      case 'permission':
        if (isAllocationLost) this.fail(failure);
        else this.peers.permissionRefused(purpose.permission, failure);
        break;
      case 'channel':
        if (isAllocationLost) this.fail(failure);
        else this.peers.channelRefused(purpose.channel, failure);
        break;
    }
  }

  // Timers

  private fire(event: TimerEvent, now: Instant): void {
    switch (event.kind) {
      case 'refresh':
        this.request({ kind: 'refresh' }, now);
        break;
      case 'expiry':
        this.fail(this.parked.length > 0 ? failureOf(StunErrorCode.UNAUTHENTICATED) : TIMED_OUT);
        break;
      case 'credential-half-life':
        if (this.currentState === 'allocated' || this.currentState === 'allocating') this.askForCredential();
        break;
    }
  }

  private armLifetime(lifetimeSeconds: number, now: Instant): void {
    this.refreshTimer = this.arm(this.refreshTimer, { kind: 'refresh' }, after(now, lifetimeSeconds * 500));
    this.expiryTimer = this.arm(this.expiryTimer, { kind: 'expiry' }, after(now, lifetimeSeconds * 1000));
    const expected = Math.min(this.options.lifetimeSeconds ?? DEFAULT_LIFETIME_S, DEFAULT_LIFETIME_S);
    // A server grants no more than the credential has left: less than usual means that it is about to expire.
    if (lifetimeSeconds < expected) this.askForCredential();
  }

  private armHalfLife(ttlSeconds: number | undefined, now: Instant): void {
    if (this.halfLifeTimer !== undefined) this.timers.remove(this.halfLifeTimer);
    if (ttlSeconds === undefined) return;
    this.halfLifeTimer = this.arm(
      this.halfLifeTimer,
      { kind: 'credential-half-life' },
      after(now, ttlSeconds * 500),
    );
  }

  private arm(timer: Timer<TimerEvent> | undefined, event: TimerEvent, at: Instant): Timer<TimerEvent> {
    if (timer === undefined) return this.timers.add(event, at);
    this.timers.move(timer, at);
    return timer;
  }

  // Requests

  private request(purpose: RequestPurpose, now: Instant, challenges = 0): void {
    const builder = buildRequest(purpose, this.options);
    const integrity = this.session.seal(builder);
    const { credentialVersion } = this;
    const request: PendingRequest = { purpose, integrity, credentialVersion, challenges };
    this.emit({ kind: 'send', bytes: this.requests.start(request, builder.toBytes(), now) });
  }

  // Ends

  private askForCredential(): void {
    if (this.isCredentialAsked) return;
    this.isCredentialAsked = true;
    this.emit({ kind: 'credential-needed' });
  }

  private fail(failure: TurnFailure): void {
    if (this.currentState === 'deallocating') {
      this.close();
      return;
    }
    this.end('failed');
    this.emit({ kind: 'failed', failure });
  }

  private close(): void {
    this.end('closed');
    this.emit({ kind: 'closed' });
  }

  private hasEnded(): boolean {
    return this.currentState === 'closed' || this.currentState === 'failed';
  }

  private end(state: 'closed' | 'failed'): void {
    this.currentState = state;
    this.requests.endAll();
    this.timers.clear();
    this.peers.stop();
  }

  private emit(output: TurnClientOutput): void {
    this.outputs.push(output);
  }

  private takeOutputs(): readonly TurnClientOutput[] {
    const { outputs } = this;
    this.outputs = [];
    return outputs;
  }
}
