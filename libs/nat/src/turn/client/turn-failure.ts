import { StunErrorCode } from '../../stun/error-code.ts';
import type { TurnFailure, TurnFailureCode } from './turn-client-types.ts';

const CODES: Readonly<Record<number, TurnFailureCode>> = {
  [StunErrorCode.UNAUTHENTICATED]: 'NAT_TURN_UNAUTHORIZED',
  [StunErrorCode.WRONG_CREDENTIALS]: 'NAT_TURN_UNAUTHORIZED',
  [StunErrorCode.FORBIDDEN]: 'NAT_TURN_FORBIDDEN',
  [StunErrorCode.ALLOCATION_MISMATCH]: 'NAT_TURN_MISMATCH',
  [StunErrorCode.UNKNOWN_ATTRIBUTE]: 'NAT_TURN_UNSUPPORTED',
  [StunErrorCode.ADDRESS_FAMILY_NOT_SUPPORTED]: 'NAT_TURN_UNSUPPORTED',
  [StunErrorCode.UNSUPPORTED_TRANSPORT_PROTOCOL]: 'NAT_TURN_UNSUPPORTED',
  [StunErrorCode.PEER_ADDRESS_FAMILY_MISMATCH]: 'NAT_TURN_UNSUPPORTED',
  [StunErrorCode.ALLOCATION_QUOTA_REACHED]: 'NAT_TURN_QUOTA',
  [StunErrorCode.INSUFFICIENT_CAPACITY]: 'NAT_TURN_CAPACITY',
};

/** What a server may say before it knows the key, and therefore without integrity. */
const UNSIGNED: ReadonlySet<number> = new Set([
  StunErrorCode.TRY_ALTERNATE,
  StunErrorCode.BAD_REQUEST,
  StunErrorCode.UNAUTHENTICATED,
  StunErrorCode.UNKNOWN_ATTRIBUTE,
  StunErrorCode.STALE_NONCE,
  StunErrorCode.SERVER_ERROR,
]);

export function failureOf(stunErrorCode: number): TurnFailure {
  return { code: CODES[stunErrorCode] ?? 'NAT_TURN_REFUSED', stunErrorCode };
}

export function isAcceptableUnsigned(stunErrorCode: number): boolean {
  return UNSIGNED.has(stunErrorCode);
}
