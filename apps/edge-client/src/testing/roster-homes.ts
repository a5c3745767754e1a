import {
  DEFAULT_TENANT,
  encodeBase64url,
  type Homes,
  type Signed,
  type SigningContext,
  type UserId,
} from '@parley/protocol';
import { generateKeyPair, importKeyPair, type KeyPair } from '../identity/keys.ts';
import { signPayload } from '../identity/signing.ts';

/** A roster key of a cluster, as its supernodes hold it. */
export interface RosterKey {
  readonly pair: KeyPair;
  readonly text: string;
}

export function newRosterKey(): RosterKey {
  const pair = importKeyPair('Ed25519', generateKeyPair('Ed25519'));
  return { pair, text: encodeBase64url(pair.publicKey) };
}

/** A list of homes as a supernode makes it: one statement by each of the keys. */
export function homesOf(
  keys: readonly RosterKey[],
  change: Partial<Homes> = {},
  context: SigningContext = 'homes',
): Signed[] {
  const homes: Homes = {
    clusterId: 'fake-cluster',
    tenant: DEFAULT_TENANT,
    userId: 'u.alice' as UserId,
    homes: ['https://home1.example', 'https://home2.example'],
    epoch: 7,
    notBefore: 1_000_000,
    notAfter: 2_000_000,
    rosterKeys: keys.map(({ text }) => text),
    ...change,
  };
  return keys.map(({ pair }) => signPayload(context, homes, pair));
}
