import { createHash } from 'node:crypto';
import { deviceIdSchema, encodeBase64url, userIdSchema, type DeviceId, type UserId } from '@parley/protocol';

/** SHA-256 as base64url, the form in which digests travel and are compared. */
export function sha256(input: Uint8Array | string): string {
  return encodeBase64url(createHash('sha256').update(input).digest());
}

/** The id of the device that has this raw Ed25519 public key. */
export function deviceIdOf(key: Uint8Array): DeviceId {
  return deviceIdSchema.parse(sha256(key));
}

/** Begins the user ids of open registration; a backend may not give out such an id for another root key. */
const OPEN_USER_PREFIX = 'u.';

/** The user id of an account of open registration: no server can give it to another key. */
export function userIdOfRootKey(rootKey: Uint8Array): UserId {
  return userIdSchema.parse(`${OPEN_USER_PREFIX}${sha256(rootKey)}`);
}

/** Whether the account came, or claims to come, by open registration. */
export function isOpenRegistration(userId: UserId): boolean {
  return userId.startsWith(OPEN_USER_PREFIX);
}
