import {
  encodeBase64url,
  PROTOCOL_VERSIONS,
  type AuthenticationProof,
  type ResponseOf,
  type Signed,
  type TenantId,
} from '@parley/protocol';
import { sha256, type KeyPair } from '../identity/keys.ts';
import { signPayload } from '../identity/signing.ts';
import type { SendRequest } from './signalling.ts';

export type Challenge = ResponseOf<'challenge'>;

export function askChallenge(request: SendRequest): Promise<Challenge> {
  return request('challenge', { versions: [...PROTOCOL_VERSIONS] });
}

export interface ProofInput {
  readonly purpose: AuthenticationProof['purpose'];
  readonly challenge: Challenge;
  readonly tenant: TenantId;
  /** The key that signs; for most purposes the device's. */
  readonly key: KeyPair;
  /** The token that the proof goes with, where there is one. */
  readonly token?: string;
}

/** Proves the key for one purpose, on one connection, to one supernode: nothing of it can be used elsewhere. */
export function makeProof(input: ProofInput): Signed {
  const proof: AuthenticationProof = {
    purpose: input.purpose,
    clusterId: input.challenge.clusterId,
    serverId: input.challenge.serverId,
    nonce: input.challenge.nonce,
    tenant: input.tenant,
    tokenHash: encodeBase64url(sha256(new TextEncoder().encode(input.token ?? ''))),
    deviceKey: encodeBase64url(input.key.publicKey),
  };
  return signPayload('authentication', proof, input.key);
}
