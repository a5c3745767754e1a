import type { NatCrypto } from '../crypto/crypto.port.ts';

/** RFC 8489 section 5: 96 bits, unpredictable, so that an off-path attacker cannot forge a response. */
export const TRANSACTION_ID_BYTES = 12;

export function newTransactionId(crypto: NatCrypto): Uint8Array {
  return crypto.randomBytes(TRANSACTION_ID_BYTES);
}

/** A map key for a transaction id (one character per byte). */
export function transactionIdKey(transactionId: Uint8Array): string {
  return String.fromCharCode(...transactionId);
}
