/**
 * STUN server for Binding requests without authentication (RFC 8489 section 6.3.1, 7.3), with the behaviour discovery of
 * RFC 5780 where an alternate address or port is configured.
 *
 * It is hardened against use as a reflector: replies are as small as they can be (no SOFTWARE, FINGERPRINT only if the
 * request had one, MAPPED-ADDRESS only for RFC 5780), limited per source, and every datagram without a reply is counted by
 * its reason. It keeps no state but the budget.
 */
import type { NatCrypto } from '../crypto/crypto.port.ts';
import type { TransportAddress } from '../net/transport-address.ts';
import type { Core } from '../time/core.ts';
import type { Instant } from '../time/instant.ts';
import { AttributeType } from './attribute-type.ts';
import { MappedAddress, OtherAddress, ResponseOrigin, XorMappedAddress } from './attributes/address.ts';
import { ChangeRequest, ResponsePort } from './attributes/behaviour.ts';
import { ErrorCode, UnknownAttributes } from './attributes/error.ts';
import { Fingerprint, Padding } from './attributes/opaque.ts';
import { REASON_PHRASES, StunErrorCode, type StunErrorCodeNumber } from './error-code.ts';
import { verifyFingerprint } from './fingerprint.ts';
import { StunMessageBuilder } from './message-builder.ts';
import { Method } from './message-type.ts';
import { decodeStunMessage, type StunDecodeReason, type StunMessage } from './message.ts';
import { ReplyBudget, type ReplyBudgetOptions } from './reply-budget.ts';
import {
  addressOfSocket,
  changedSocket,
  type StunServerAddresses,
  type StunServerSocket,
} from './server-addresses.ts';

export interface StunServerOptions {
  readonly crypto: NatCrypto;
  /** Needed for RFC 5780 only. @default a plain server */
  readonly addresses?: StunServerAddresses;
  /** @default DEFAULT_REPLY_BUDGET */
  readonly replyBudget?: Partial<ReplyBudgetOptions>;
}

export interface StunServerInput {
  readonly kind: 'datagram';
  readonly bytes: Uint8Array;
  readonly from: TransportAddress;
  readonly socket: StunServerSocket;
}

export type StunDropReason =
  | StunDecodeReason
  | 'bad-fingerprint'
  | 'not-a-request'
  | 'unknown-method'
  | 'invalid-source'
  | 'reply-budget-exhausted';

export type StunServerOutput =
  | {
      readonly kind: 'send';
      readonly socket: StunServerSocket;
      readonly to: TransportAddress;
      readonly bytes: Uint8Array;
    }
  | { readonly kind: 'drop'; readonly reason: StunDropReason };

export interface StunServerStats {
  readonly responses: number;
  /** Error responses by code. */
  readonly errors: Readonly<Partial<Record<StunErrorCodeNumber, number>>>;
  readonly drops: Readonly<Partial<Record<StunDropReason, number>>>;
}

/** Comprehension-required attributes that a Binding request without authentication may carry without harm. */
const UNDERSTOOD: readonly number[] = [
  AttributeType.USERNAME,
  AttributeType.USERHASH,
  AttributeType.REALM,
  AttributeType.NONCE,
  AttributeType.MESSAGE_INTEGRITY,
  AttributeType.MESSAGE_INTEGRITY_SHA256,
  AttributeType.PASSWORD_ALGORITHM,
];
const UNDERSTOOD_FOR_DISCOVERY: readonly number[] = [
  AttributeType.CHANGE_REQUEST,
  AttributeType.RESPONSE_PORT,
  AttributeType.PADDING,
];

/** What a request asks of the way its response takes, or the error that refuses it. */
type ResponsePlan =
  | { readonly ok: true; readonly socket: StunServerSocket; readonly port: number }
  | { readonly ok: false; readonly code: StunErrorCodeNumber; readonly unknown?: readonly number[] };

export class StunServer implements Core<StunServerInput, StunServerOutput> {
  private readonly crypto: NatCrypto;
  private readonly addresses: StunServerAddresses | undefined;
  private readonly understood: ReadonlySet<number>;
  private readonly budget: ReplyBudget;
  private responses = 0;
  private readonly errors: Partial<Record<StunErrorCodeNumber, number>> = {};
  private readonly drops: Partial<Record<StunDropReason, number>> = {};

  constructor({ crypto, addresses, replyBudget }: StunServerOptions) {
    const hasAlternate = addresses?.alternateAddress !== undefined || addresses?.alternatePort !== undefined;
    this.crypto = crypto;
    this.addresses = hasAlternate ? addresses : undefined;
    this.understood = new Set(hasAlternate ? [...UNDERSTOOD, ...UNDERSTOOD_FOR_DISCOVERY] : UNDERSTOOD);
    this.budget = new ReplyBudget(replyBudget);
  }

  handle({ bytes, from, socket }: StunServerInput, now: Instant): readonly StunServerOutput[] {
    const decoded = decodeStunMessage(bytes);
    if (!decoded.ok) return this.drop(decoded.reason);
    return this.handleMessage(decoded.message, from, socket, now);
  }

  /** Like {@link handle}, for a server that shares its port with others and has decoded the message already. */
  handleMessage(
    message: StunMessage,
    from: TransportAddress,
    socket: StunServerSocket,
    now: Instant,
  ): readonly StunServerOutput[] {
    if (message.messageClass !== 'request') return this.drop('not-a-request');
    if (message.method !== Method.BINDING) return this.drop('unknown-method');
    if (from.port === 0) return this.drop('invalid-source');
    const hasFingerprint = message.has(Fingerprint);
    if (hasFingerprint && !verifyFingerprint(message, this.crypto)) return this.drop('bad-fingerprint');
    if (!this.budget.take(from, now)) return this.drop('reply-budget-exhausted');

    const plan = this.planResponse(message, from, socket);
    const reply = plan.ok ? this.success(message, from, plan.socket, socket) : this.error(message, plan);
    if (hasFingerprint) reply.addFingerprint(this.crypto);
    return [
      {
        kind: 'send',
        socket: plan.ok ? plan.socket : socket,
        to: plan.ok && plan.port !== from.port ? { ...from, port: plan.port } : from,
        bytes: reply.toBytes(),
      },
    ];
  }

  handleTimeout(_now: Instant): readonly StunServerOutput[] {
    return [];
  }

  /** The server has no timers: budgets refill when they are used. */
  nextTimeoutAt(): Instant | undefined {
    return undefined;
  }

  stats(): StunServerStats {
    return { responses: this.responses, errors: { ...this.errors }, drops: { ...this.drops } };
  }

  private planResponse(message: StunMessage, from: TransportAddress, socket: StunServerSocket): ResponsePlan {
    // RFC 8489 section 6.3.1: unknown comprehension-required attributes first.
    const unknown = message.unknownAttributes(this.understood);
    if (unknown.length > 0) return { ok: false, code: StunErrorCode.UNKNOWN_ATTRIBUTE, unknown };
    if (this.addresses === undefined) return { ok: true, socket, port: from.port };
    return planDiscoveryResponse(this.addresses, message, from, socket);
  }

  private success(
    message: StunMessage,
    from: TransportAddress,
    origin: StunServerSocket,
    received: StunServerSocket,
  ): StunMessageBuilder {
    this.responses += 1;
    const response = StunMessageBuilder.responseTo(message, 'success').add(XorMappedAddress, from);
    if (this.addresses !== undefined)
      addDiscoveryAttributes(response, this.addresses, message, from, origin, received);
    return response;
  }

  private error(
    message: StunMessage,
    { code, unknown }: Extract<ResponsePlan, { ok: false }>,
  ): StunMessageBuilder {
    this.errors[code] = (this.errors[code] ?? 0) + 1;
    const response = StunMessageBuilder.responseTo(message, 'error').add(ErrorCode, {
      code,
      reason: REASON_PHRASES[code],
    });
    return unknown === undefined ? response : response.add(UnknownAttributes, unknown);
  }

  private drop(reason: StunDropReason): readonly StunServerOutput[] {
    this.drops[reason] = (this.drops[reason] ?? 0) + 1;
    return [{ kind: 'drop', reason }];
  }
}

/** RFC 5780 section 6.1: from which socket, and to which port of the source, the response goes. */
function planDiscoveryResponse(
  addresses: StunServerAddresses,
  message: StunMessage,
  from: TransportAddress,
  socket: StunServerSocket,
): ResponsePlan {
  const change = message.read(ChangeRequest);
  const port = message.read(ResponsePort);
  const isMalformed = (!change.ok && change.reason !== 'absent') || (!port.ok && port.reason !== 'absent');
  // Both together would let a forged source aim large datagrams at a port of the victim's choice.
  if (isMalformed || (port.ok && (port.value === 0 || message.has(Padding)))) {
    return { ok: false, code: StunErrorCode.BAD_REQUEST };
  }
  const target = change.ok
    ? changedSocket(socket, change.value.changeAddress, change.value.changePort)
    : socket;
  if (addressOfSocket(addresses, target) === undefined) {
    return { ok: false, code: StunErrorCode.UNKNOWN_ATTRIBUTE, unknown: [AttributeType.CHANGE_REQUEST] };
  }
  return { ok: true, socket: target, port: port.ok ? port.value : from.port };
}

function addDiscoveryAttributes(
  response: StunMessageBuilder,
  addresses: StunServerAddresses,
  request: StunMessage,
  from: TransportAddress,
  origin: StunServerSocket,
  received: StunServerSocket,
): void {
  // Clients of RFC 5780 compare both, to notice middleboxes that rewrite addresses in payloads.
  response.add(MappedAddress, from);
  const originAddress = addressOfSocket(addresses, origin);
  if (originAddress !== undefined) response.add(ResponseOrigin, originAddress);
  const other = changedSocket(
    received,
    addresses.alternateAddress !== undefined,
    addresses.alternatePort !== undefined,
  );
  const otherAddress = addressOfSocket(addresses, other);
  if (otherAddress !== undefined) response.add(OtherAddress, otherAddress);
  const padding = request.find(Padding.type);
  // As long as the request's, not as the MTU: a reply must not be larger than what asked for it.
  if (padding !== undefined) response.add(Padding, new Uint8Array(padding.length));
}
