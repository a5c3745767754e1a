/** Keys of STUN's two credential mechanisms (RFC 8489 section 9). */
import type { NatCrypto } from '../crypto/crypto.port.ts';
import { encodeUtf8 } from './attributes/text.ts';

/** How the long-term key is derived; MD5 is the default of RFC 5389 and of who sends no PASSWORD-ALGORITHM. */
export type LongTermKeyAlgorithm = 'md5' | 'sha-256';

export interface LongTermCredential {
  readonly username: string;
  readonly realm: string;
  readonly password: string;
}

/** Section 9.1.1: the key is the password itself. */
export function shortTermKey(password: string): Uint8Array {
  return encodeUtf8(opaqueString(password));
}

/** Section 9.2.2 and 18.5.1: hash of `username:realm:password`. */
export function longTermKey(
  crypto: NatCrypto,
  { username, realm, password }: LongTermCredential,
  algorithm: LongTermKeyAlgorithm,
): Uint8Array {
  const input = encodeUtf8(`${opaqueString(username)}:${opaqueString(realm)}:${opaqueString(password)}`);
  return algorithm === 'sha-256' ? crypto.sha256(input) : crypto.md5(input);
}

/** Section 14.4: what is sent in place of the username, so that an observer does not learn it. */
export function userhash(crypto: NatCrypto, username: string, realm: string): Uint8Array {
  return crypto.sha256(encodeUtf8(`${opaqueString(username)}:${opaqueString(realm)}`));
}

/** The mapping and normalisation of the OpaqueString profile (RFC 8265 section 4.2.1). */
function opaqueString(text: string): string {
  return text.replace(/\p{Zs}/gu, ' ').normalize('NFC');
}
