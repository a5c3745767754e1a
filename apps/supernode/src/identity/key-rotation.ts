import { LIMITS } from '@parley/protocol';
import { SupernodeError } from '../errors.ts';
import type { ClusterKeyRecord } from './keyring.port.ts';
import { newRingKey } from './ring-key.ts';

/** What the keys of the ring sign: where homes are, and access tokens. */
export const KEY_PURPOSES = ['roster', 'access-token'] as const;
export type KeyPurpose = (typeof KEY_PURPOSES)[number];

const DAY_MS = 24 * 3600_000;
/** Until a new key signs. Supernodes read the ring each minute, and clients that connect meanwhile are told of it. */
export const ANNOUNCED_MS = 5 * 60_000;
/** A key that ended is kept for the longest life of what it signed. */
const FORGOTTEN_AFTER_MS = 2 * DAY_MS;
/**
 * How long the key before signs as well. Clients pin roster keys and learn of another one from a list that a pinned one has
 * signed: who is away for longer has to be asked. Tokens are checked with the key that signed them for as long as they live.
 */
export const OVERLAP_DAYS: Readonly<Record<KeyPurpose, number>> = { roster: 90, 'access-token': 0 };
export const MAXIMUM_OVERLAP_DAYS = 366;

/** What changes in the ring. */
export interface KeyRotation {
  readonly next: ClusterKeyRecord;
  /** When the keys before end. */
  readonly endings: readonly { readonly version: number; readonly notAfter: Date }[];
  /** Versions of which nothing is left to check. */
  readonly forgotten: readonly number[];
}

/**
 * A new key beside those of the ring.
 *
 * @param keys - of the purpose, newest first
 * @param now - milliseconds since the epoch
 * @throws SupernodeError SN_OPERATION_REFUSED
 */
export function planRotation(
  purpose: KeyPurpose,
  keys: readonly ClusterKeyRecord[],
  overlapDays: number,
  now: number,
): KeyRotation {
  const [newest] = keys;
  if (!newest) throw refusal(`There is no ${purpose} key yet: start a supernode first.`);
  if (newest.notBefore.getTime() > now)
    throw refusal(`A rotation is under way: the newest key signs from ${newest.notBefore.toISOString()} on.`);
  const living = keys.filter(({ notAfter }) => notAfter === null || notAfter.getTime() > now);
  if (purpose === 'roster' && living.length >= LIMITS.maxRosterKeys)
    throw refusal(
      `Clients take no more than ${LIMITS.maxRosterKeys} keys at a time: wait until one has ended.`,
    );
  const next = { ...newRingKey(purpose, now + ANNOUNCED_MS), version: newest.version + 1 };
  const end = new Date(next.notBefore.getTime() + overlapDays * DAY_MS);
  return {
    next,
    endings: living
      .filter(({ notAfter }) => notAfter === null || notAfter > end)
      .map(({ version }) => ({ version, notAfter: end })),
    forgotten: keys
      .filter(({ notAfter }) => notAfter !== null && notAfter.getTime() + FORGOTTEN_AFTER_MS < now)
      .map(({ version }) => version),
  };
}

function refusal(message: string): SupernodeError {
  return new SupernodeError('SN_OPERATION_REFUSED', message);
}
