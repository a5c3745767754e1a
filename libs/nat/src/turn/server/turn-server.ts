/**
 * TURN server (RFC 8656) as a sans-io core; over TCP and TLS the driver cuts the stream into messages. Relay sockets are outputs (`open-relay`, `close-relay`) and later inputs
 * (`relay-opened`, `relay-failed`, `relay-datagram`). Nothing is kept of who has not proven, by a nonce sent to it, that it
 * receives at the address that it claims.
 */
import { fiveTupleKey, type FiveTuple } from '../../net/five-tuple.ts';
import { AttributeType } from '../../stun/attribute-type.ts';
import { Fingerprint } from '../../stun/attributes/opaque.ts';
import { StunErrorCode } from '../../stun/error-code.ts';
import { verifyFingerprint } from '../../stun/fingerprint.ts';
import { decodeStunMessage, type StunMessage } from '../../stun/message.ts';
import { Method } from '../../stun/message-type.ts';
import type { Core } from '../../time/core.ts';
import type { Instant } from '../../time/instant.ts';
import { looksLikeChannelData } from '../channel-data.ts';
import { CREDENTIAL_ID_SEPARATOR } from '../credentials.ts';
import { AllocateHandler } from './allocate-handler.ts';
import { endAllocation, releaseRelay } from './allocation-end.ts';
import { handleChannelBind, handleCreatePermission, handleRefresh } from './allocation-handlers.ts';
import type { ExpiringState } from './allocation.ts';
import { handleChannelData, handleRelayDatagram, handleSendIndication } from './relay-path.ts';
import { ServerState, type AuthenticatedRequest } from './server-state.ts';
import type {
  RelayId,
  TurnServerInput,
  TurnServerOptions,
  TurnServerOutput,
  TurnServerStats,
} from './turn-server-types.ts';

/**
 * DONT-FRAGMENT is not among them: the flag cannot be set on the datagrams that this server sends, and RFC 8656 section 7.2
 * says to treat it as unknown then.
 */
const UNDERSTOOD: ReadonlySet<number> = new Set([
  AttributeType.USERNAME,
  AttributeType.USERHASH,
  AttributeType.MESSAGE_INTEGRITY,
  AttributeType.MESSAGE_INTEGRITY_SHA256,
  AttributeType.PASSWORD_ALGORITHM,
  AttributeType.REALM,
  AttributeType.NONCE,
  AttributeType.CHANNEL_NUMBER,
  AttributeType.LIFETIME,
  AttributeType.XOR_PEER_ADDRESS,
  AttributeType.DATA,
  AttributeType.REQUESTED_ADDRESS_FAMILY,
  AttributeType.EVEN_PORT,
  AttributeType.REQUESTED_TRANSPORT,
  AttributeType.RESERVATION_TOKEN,
]);

export class TurnServer implements Core<TurnServerInput, TurnServerOutput> {
  private readonly state: ServerState;
  private readonly allocate: AllocateHandler;

  constructor(options: TurnServerOptions) {
    this.state = new ServerState(options);
    this.allocate = new AllocateHandler(this.state);
  }

  handle(input: TurnServerInput, now: Instant): readonly TurnServerOutput[] {
    switch (input.kind) {
      case 'datagram':
        this.receive(input.tuple, input.bytes, now);
        break;
      case 'connection-closed':
        this.connectionClosed(fiveTupleKey(input.tuple));
        break;
      case 'relay-datagram':
        handleRelayDatagram(this.state, input.relayId, input.from, input.bytes, now);
        break;
      case 'relay-opened':
        this.allocate.relayOpened(input.relayId, now);
        break;
      case 'relay-failed':
        this.relayFailed(input.relayId, input.reason);
        break;
      case 'set-secrets':
        this.state.authority.setSecrets(input.tenantRef, input.secrets);
        break;
      case 'revoke':
        this.revoke(input.credentialId, input.untilEpochSeconds, now);
        break;
      case 'set-quotas':
        this.state.quotas = { ...this.state.quotas, ...input.quotas };
        break;
      case 'set-relay-addresses':
        this.state.setRosterRelayAddresses(input.addresses);
        break;
    }
    return this.state.takeOutputs();
  }

  /** Like a `datagram` input, for a server that shares its port with others and has decoded the message already. */
  handleMessage(message: StunMessage, tuple: FiveTuple, now: Instant): readonly TurnServerOutput[] {
    this.receiveMessage(message, tuple, fiveTupleKey(tuple), now);
    return this.state.takeOutputs();
  }

  handleTimeout(now: Instant): readonly TurnServerOutput[] {
    const { timers, authority } = this.state;
    for (let due = timers.takeDue(now); due !== undefined; due = timers.takeDue(now)) this.expire(due, now);
    authority.handleTimeout(now);
    return this.state.takeOutputs();
  }

  nextTimeoutAt(): Instant | undefined {
    return this.state.nextTimeoutAt();
  }

  holdsAllocation(tuple: FiveTuple): boolean {
    return this.state.table.ofTuple(fiveTupleKey(tuple)) !== undefined;
  }

  stats(): TurnServerStats {
    return this.state.counters.snapshot(this.state.table.size);
  }

  private receive(tuple: FiveTuple, bytes: Uint8Array, now: Instant): void {
    const key = fiveTupleKey(tuple);
    if (looksLikeChannelData(bytes)) {
      handleChannelData(this.state, key, bytes, now);
      return;
    }
    const decoded = decodeStunMessage(bytes);
    if (!decoded.ok) {
      this.state.drop(decoded.reason);
      return;
    }
    this.receiveMessage(decoded.message, tuple, key, now);
  }

  private receiveMessage(message: StunMessage, tuple: FiveTuple, key: string, now: Instant): void {
    if (tuple.client.port === 0) {
      // RFC 768 allows it, but no system sends an answer there: Node even throws.
      this.state.drop('invalid-source');
    } else if (message.has(Fingerprint) && !verifyFingerprint(message, this.state.options.crypto)) {
      this.state.drop('bad-fingerprint');
    } else if (tuple.protocol === 'udp' && this.state.table.isOwnRelay(tuple.client)) {
      // A client behind an own relay: its answers would travel in a circle. Relays are UDP: no stream comes from one.
      this.state.drop('from-own-relay');
    } else if (message.messageClass === 'request') {
      this.receiveRequest(message, tuple, key, now);
    } else if (message.messageClass === 'indication' && message.method === Method.SEND) {
      this.receiveSend(message, key, now);
    } else {
      this.state.drop('unexpected-class');
    }
  }

  private receiveSend(message: StunMessage, key: string, now: Instant): void {
    if (message.unknownAttributes(UNDERSTOOD).length > 0) this.state.drop('unknown-attribute');
    else handleSendIndication(this.state, key, message, now);
  }

  private receiveRequest(message: StunMessage, tuple: FiveTuple, key: string, now: Instant): void {
    const handler = this.handlerOf(message.method);
    if (handler === undefined) {
      this.state.drop('unknown-method');
      return;
    }
    const result = this.state.authenticator.authenticate(message, tuple, now);
    if (!result.ok) {
      this.state.refuseUnauthenticated(message, tuple, result.code, now);
      return;
    }
    const request: AuthenticatedRequest = { message, tuple, key, authentication: result.authentication };
    const unknown = message.unknownAttributes(UNDERSTOOD);
    if (unknown.length > 0) this.state.refuse(request, StunErrorCode.UNKNOWN_ATTRIBUTE, unknown);
    else handler(request, now);
  }

  private handlerOf(method: number): ((request: AuthenticatedRequest, now: Instant) => void) | undefined {
    switch (method) {
      case Method.ALLOCATE:
        return (request, now) => this.allocate.handle(request, now);
      case Method.REFRESH:
        return (request, now) => handleRefresh(this.state, request, now);
      case Method.CREATE_PERMISSION:
        return (request, now) => handleCreatePermission(this.state, request, now);
      case Method.CHANNEL_BIND:
        return (request, now) => handleChannelBind(this.state, request, now);
      default:
        return undefined;
    }
  }

  private connectionClosed(key: string): void {
    this.allocate.cancel((opening) => opening.key === key);
    const allocation = this.state.table.ofTuple(key);
    if (allocation !== undefined) endAllocation(this.state, allocation, 'connection-closed');
  }

  private relayFailed(relayId: RelayId, reason: 'address-in-use' | 'other'): void {
    const allocation = this.state.table.ofRelay(relayId);
    if (allocation !== undefined) endAllocation(this.state, allocation, 'relay-failed');
    else this.allocate.relayFailed(relayId, reason);
  }

  private revoke(credentialId: string, untilEpochSeconds: number, now: Instant): void {
    const { state } = this;
    state.authority.revoke(credentialId, untilEpochSeconds, now);
    const below = credentialId + CREDENTIAL_ID_SEPARATOR;
    const isCovered = (id: string): boolean => id === credentialId || id.startsWith(below);
    this.allocate.cancel(({ authentication }) => isCovered(authentication.credentialId));
    for (const allocation of [...state.table.allAllocations()]) {
      if (!isCovered(allocation.credentialId) || allocation.expiry.epochSeconds > untilEpochSeconds) continue;
      endAllocation(state, allocation, 'credential-revoked');
    }
    for (const reservation of [...state.table.allReservations()]) {
      if (!isCovered(reservation.relay.credentialId)) continue;
      state.timers.remove(reservation.timer);
      state.table.takeReservation(reservation.token);
      releaseRelay(state, reservation.relay);
    }
  }

  private expire(due: ExpiringState, now: Instant): void {
    const { table } = this.state;
    switch (due.kind) {
      case 'allocation': {
        const allocation = table.ofTuple(due.key);
        if (allocation === undefined) break;
        const isCredentialOver = allocation.expiry.at <= now;
        endAllocation(this.state, allocation, isCredentialOver ? 'credential-expired' : 'expired');
        break;
      }
      case 'permission':
        table.ofTuple(due.key)?.permissions.delete(due.address);
        break;
      case 'channel': {
        const allocation = table.ofTuple(due.key);
        const binding = allocation?.channelsByNumber.get(due.number);
        allocation?.channelsByNumber.delete(due.number);
        if (binding !== undefined) allocation?.channelsByPeer.delete(binding.peerKey);
        break;
      }
      case 'reservation': {
        const reservation = table.takeReservation(due.token);
        if (reservation !== undefined) releaseRelay(this.state, reservation.relay);
        break;
      }
    }
  }
}
