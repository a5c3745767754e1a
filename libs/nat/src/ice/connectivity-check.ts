/**
 * Connectivity checks and their answers on the wire (RFC 8445 section 7): Binding with USERNAME, PRIORITY, the role with its
 * tiebreaker, USE-CANDIDATE with the nomination number, MESSAGE-INTEGRITY under the receiver's password, FINGERPRINT.
 */
import type { NatCrypto } from '../crypto/crypto.port.ts';
import type { TransportAddress } from '../net/transport-address.ts';
import { AttributeType } from '../stun/attribute-type.ts';
import { XorMappedAddress } from '../stun/attributes/address.ts';
import { ErrorCode, UnknownAttributes } from '../stun/attributes/error.ts';
import { IceControlled, IceControlling, Nomination, Priority, UseCandidate } from '../stun/attributes/ice.ts';
import { Username } from '../stun/attributes/text.ts';
import { shortTermKey } from '../stun/credentials.ts';
import { REASON_PHRASES, StunErrorCode } from '../stun/error-code.ts';
import { StunMessageBuilder } from '../stun/message-builder.ts';
import { Method } from '../stun/message-type.ts';
import type { StunMessage } from '../stun/message.ts';
import type { IceCredentials } from './ice-credentials.ts';
import type { RoleClaim } from './ice-role.ts';

const UNDERSTOOD: ReadonlySet<number> = new Set([
  AttributeType.USERNAME,
  AttributeType.MESSAGE_INTEGRITY,
  AttributeType.MESSAGE_INTEGRITY_SHA256,
  AttributeType.PRIORITY,
  AttributeType.USE_CANDIDATE,
]);

export interface CheckFields {
  readonly transactionId: Uint8Array;
  readonly local: IceCredentials;
  readonly remote: IceCredentials;
  readonly claim: RoleClaim;
  /** The priority of the peer-reflexive candidate that the peer may learn from this check. */
  readonly priority: number;
  /** Present where the check nominates its pair. */
  readonly nomination: number | undefined;
}

export function encodeCheck(fields: CheckFields, crypto: NatCrypto): Uint8Array {
  const { transactionId, local, remote, claim, priority, nomination } = fields;
  const builder = new StunMessageBuilder('request', Method.BINDING, transactionId)
    .add(Username, `${remote.ufrag}:${local.ufrag}`)
    .add(Priority, priority)
    .add(claim.role === 'controlling' ? IceControlling : IceControlled, claim.tiebreaker);
  if (nomination !== undefined) builder.add(UseCandidate, true).add(Nomination, nomination);
  return builder.addMessageIntegrity(crypto, shortTermKey(remote.pwd)).addFingerprint(crypto).toBytes();
}

/** What a check says, once it is authenticated. */
export interface ReceivedCheck {
  readonly claim: RoleClaim;
  readonly priority: number;
  /** Number of the nomination; 0 for USE-CANDIDATE of an agent that does not renominate. */
  readonly nomination: number | undefined;
}

/** `undefined` where PRIORITY or the role is missing or malformed (RFC 8445 section 7.3: 400). */
export function decodeCheck(message: StunMessage): ReceivedCheck | undefined {
  const priority = message.get(Priority);
  const controlling = message.get(IceControlling);
  const controlled = message.get(IceControlled);
  if (priority === undefined) return undefined;
  const nomination = message.has(UseCandidate) ? (message.get(Nomination) ?? 0) : undefined;
  if (controlling !== undefined)
    return { claim: { role: 'controlling', tiebreaker: controlling }, priority, nomination };
  if (controlled !== undefined)
    return { claim: { role: 'controlled', tiebreaker: controlled }, priority, nomination };
  return undefined;
}

/** USERNAME of a check that is meant for us: `ours:theirs`. */
export function decodeCheckUsername(
  message: StunMessage,
): { readonly receiver: string; readonly sender: string } | undefined {
  const username = message.get(Username);
  const colon = username?.indexOf(':') ?? -1;
  return username === undefined || colon < 0
    ? undefined
    : { receiver: username.slice(0, colon), sender: username.slice(colon + 1) };
}

export function unknownCheckAttributes(message: StunMessage): readonly number[] {
  return message.unknownAttributes(UNDERSTOOD);
}

export function encodeCheckSuccess(
  request: StunMessage,
  from: TransportAddress,
  local: IceCredentials,
  crypto: NatCrypto,
): Uint8Array {
  return StunMessageBuilder.responseTo(request, 'success')
    .add(XorMappedAddress, from)
    .addMessageIntegrity(crypto, shortTermKey(local.pwd))
    .addFingerprint(crypto)
    .toBytes();
}

export type CheckErrorCode =
  | typeof StunErrorCode.BAD_REQUEST
  | typeof StunErrorCode.ROLE_CONFLICT
  | typeof StunErrorCode.UNKNOWN_ATTRIBUTE;

export function encodeCheckError(
  request: StunMessage,
  code: CheckErrorCode,
  local: IceCredentials,
  crypto: NatCrypto,
  unknown: readonly number[] = [],
): Uint8Array {
  const builder = StunMessageBuilder.responseTo(request, 'error').add(ErrorCode, {
    code,
    reason: REASON_PHRASES[code],
  });
  if (unknown.length > 0) builder.add(UnknownAttributes, unknown);
  return builder.addMessageIntegrity(crypto, shortTermKey(local.pwd)).addFingerprint(crypto).toBytes();
}
