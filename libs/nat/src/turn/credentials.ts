import type { NatCrypto } from '../crypto/crypto.port.ts';
import { encodeBase64 } from './base64.ts';

/** A long-term credential (RFC 8489 section 9.2) as a client holds it. */
export interface TurnCredential {
  readonly username: string;
  readonly password: string;
}

/** What a time-limited username says: `expiry:credentialId`, expiry in seconds since 1970 (draft-uberti-behave-turn-rest). */
export interface TimeLimitedUsername {
  readonly expiresAtEpochSeconds: number;
  /** Stands for tenant, user and device. Segments are separated by `/`: revoking `a/b` covers `a/b/c`. */
  readonly credentialId: string;
}

const USERNAME = /^(\d{1,12}):(\S.*)$/u;
/** RFC 8489 section 14.3: a USERNAME is shorter than 509 bytes; this leaves room for 12 digits and the colon. */
export const CREDENTIAL_ID_MAX_LENGTH = 256;
export const CREDENTIAL_ID_SEPARATOR = '/';
/** Bounds the look-ups that one username costs when revocations are tested. */
export const CREDENTIAL_ID_MAX_SEGMENTS = 6;

export function formatTimeLimitedUsername(username: TimeLimitedUsername): string {
  return `${username.expiresAtEpochSeconds}:${username.credentialId}`;
}

export function parseTimeLimitedUsername(username: string): TimeLimitedUsername | undefined {
  const [, expiry, credentialId] = USERNAME.exec(username) ?? [];
  if (expiry === undefined || credentialId === undefined || credentialId.length > CREDENTIAL_ID_MAX_LENGTH)
    return undefined;
  return { expiresAtEpochSeconds: Number(expiry), credentialId };
}

/** base64(HMAC-SHA1(secret, username)): what every server that shares the secret can compute again, so nothing is stored. */
export function timeLimitedPassword(crypto: NatCrypto, secret: string, username: string): string {
  const text = new TextEncoder();
  return encodeBase64(crypto.hmacSha1(text.encode(secret), text.encode(username)));
}

/** `a/b/c` gives `a/b/c`, `a/b`, `a`: the ids whose revocation covers this one. */
export function coveringCredentialIds(credentialId: string): readonly string[] {
  const segments = credentialId.split(CREDENTIAL_ID_SEPARATOR, CREDENTIAL_ID_MAX_SEGMENTS);
  const prefixes = segments.map((_segment, index) =>
    segments.slice(0, index + 1).join(CREDENTIAL_ID_SEPARATOR),
  );
  const whole = prefixes.at(-1) === credentialId ? [] : [credentialId];
  return [...whole, ...prefixes.reverse()];
}
