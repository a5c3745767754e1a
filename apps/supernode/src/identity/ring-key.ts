import { generateKeyPairSync } from 'node:crypto';
import type { ClusterKeyRecord } from './keyring.port.ts';

/** The first Ed25519 key of a purpose, for the ring of a cluster that has none yet. `now` is in milliseconds since the epoch. */
export function newRingKey(purpose: string, now: number): ClusterKeyRecord {
  const pair = generateKeyPairSync('ed25519');
  return {
    purpose,
    version: 1,
    secret: pair.privateKey.export({ format: 'der', type: 'pkcs8' }),
    publicKey: Buffer.from(pair.publicKey.export({ format: 'jwk' }).x ?? '', 'base64url'),
    notBefore: new Date(now),
    notAfter: null,
  };
}
