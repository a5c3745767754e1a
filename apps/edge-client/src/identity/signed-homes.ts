import {
  decodePayload,
  homesSchema,
  type Homes,
  type Signed,
  type TenantId,
  type UserId,
} from '@parley/protocol';
import { isSignatureValid } from './signing.ts';

/** Why a list of homes is not taken. */
export type HomesRefusal =
  /** Signed, but of another shape: too many homes, too long addresses, fields missing. */
  | 'homes-malformed'
  | 'homes-forged'
  /** Validly signed by none of the keys that are pinned. */
  | 'homes-unknown-key'
  | 'homes-other-cluster'
  | 'homes-other-user'
  | 'homes-expired'
  /** Of an older roster than one that was seen, or an older list of the same. */
  | 'homes-outdated';

/** What a list of homes is measured by. */
export interface HomesExpectation {
  readonly clusterId: string | null;
  readonly tenant: TenantId;
  readonly userId: UserId;
  /** Base64url; empty before the first list, whose keys are taken as they are. */
  readonly rosterKeys: readonly string[];
  /** Of the newest list that was taken. */
  readonly epoch: number;
  readonly notBefore: number;
}

export type HomesVerdict =
  | { readonly ok: true; readonly homes: Homes; readonly statement: Signed }
  | { readonly ok: false; readonly reason: HomesRefusal };

/**
 * Judges one list of homes, signed by each roster key in use. Keys are pinned on first use; afterwards only a list that a pinned
 * key has signed can name others, so that a rotation needs a time in which both sign.
 */
export function judgeHomes(
  statements: readonly Signed[],
  expected: HomesExpectation,
  now: number,
): HomesVerdict {
  const statement = trusted(statements, expected.rosterKeys);
  if (typeof statement === 'string') return { ok: false, reason: statement };
  const homes = decodePayload(homesSchema, statement);
  const reason = homes ? fault(homes, statement, expected, now) : 'homes-malformed';
  return homes && reason === undefined
    ? { ok: true, homes, statement }
    : { ok: false, reason: reason ?? 'homes-malformed' };
}

/** The first statement that counts: signatures are checked before anything is read. */
function trusted(
  statements: readonly Signed[],
  pinned: readonly string[],
): Signed | 'homes-forged' | 'homes-unknown-key' {
  const byPinned = statements.filter(({ signer }) => pinned.length === 0 || pinned.includes(signer));
  const valid = byPinned.find((statement) => isSignatureValid('homes', statement));
  if (valid) return valid;
  // Only who is not pinned gets the milder word: a bad signature in the name of a pinned key is a forgery.
  const isForged = byPinned.length > 0 || !statements.some((one) => isSignatureValid('homes', one));
  return isForged ? 'homes-forged' : 'homes-unknown-key';
}

function fault(
  homes: Homes,
  { signer }: Signed,
  expected: HomesExpectation,
  now: number,
): HomesRefusal | undefined {
  if (homes.clusterId !== expected.clusterId) return 'homes-other-cluster';
  if (homes.tenant !== expected.tenant || homes.userId !== expected.userId) return 'homes-other-user';
  if (expected.rosterKeys.length === 0 && !homes.rosterKeys.includes(signer)) return 'homes-forged';
  if (homes.notAfter <= now) return 'homes-expired';
  const isOlder =
    homes.epoch < expected.epoch || (homes.epoch === expected.epoch && homes.notBefore < expected.notBefore);
  return isOlder ? 'homes-outdated' : undefined;
}
