import { decodeBase64url, encodeBase64url } from '@parley/protocol';
import { edgeError } from '../errors.ts';
import { keyPairFromSeed, sha256, type KeyPair } from './keys.ts';

const PREFIX = 'parley-recovery:';
const SEED_BYTES = 32;
const CHECK_BYTES = 4;

/**
 * The text that a user writes down: the seed of the recovery key and four bytes of its digest, so that a slip of the pen
 * is told from a wrong account.
 */
export function encodeRecoveryCode(seed: Uint8Array): string {
  return PREFIX + encodeBase64url(Buffer.concat([seed, sha256(seed).subarray(0, CHECK_BYTES)]));
}

/** @throws EDGE_RECOVERY_CODE_INVALID */
export function recoveryKeyOf(code: string): KeyPair {
  const text = code.trim();
  const bytes = text.startsWith(PREFIX) ? decodeBase64url(text.slice(PREFIX.length)) : undefined;
  if (bytes?.length !== SEED_BYTES + CHECK_BYTES) throw edgeError('EDGE_RECOVERY_CODE_INVALID');
  const seed = bytes.subarray(0, SEED_BYTES);
  if (!Buffer.from(bytes.subarray(SEED_BYTES)).equals(sha256(seed).subarray(0, CHECK_BYTES))) {
    throw edgeError('EDGE_RECOVERY_CODE_INVALID');
  }
  return keyPairFromSeed(seed);
}
