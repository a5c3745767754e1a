/** Why an attribute value was refused, and at which byte of the value. */
export interface AttributeFailure {
  readonly ok: false;
  readonly at: number;
  readonly reason: AttributeFailureReason;
}

export type AttributeFailureReason =
  'absent' | 'wrong-length' | 'too-long' | 'unknown-address-family' | 'invalid-text' | 'out-of-range';

export type AttributeResult<T> = { readonly ok: true; readonly value: T } | AttributeFailure;

/**
 * One attribute: its type and the two directions of its value. `decode` takes what the network sent and never throws;
 * `encode` throws `NAT_INVALID_ARGUMENT` for a value that the attribute cannot carry. The transaction id is an input
 * because the XOR addresses depend on it.
 */
export interface AttributeCodec<T> {
  readonly type: number;
  encode(value: T, transactionId: Uint8Array): Uint8Array;
  decode(value: Uint8Array, transactionId: Uint8Array): AttributeResult<T>;
}

export function decoded<T>(value: T): AttributeResult<T> {
  return { ok: true, value };
}

export function refused(reason: AttributeFailureReason, at = 0): AttributeFailure {
  return { ok: false, at, reason };
}
