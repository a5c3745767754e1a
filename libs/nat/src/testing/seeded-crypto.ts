import type { NatCrypto } from '../crypto/crypto.port.ts';
import { SeededRandom } from './seeded-random.ts';

/** The hashes of `primitives` with random bytes that follow from the seed, so that a failing run can be replayed. */
export function seededCrypto(seed: number, primitives: NatCrypto): NatCrypto {
  const random = new SeededRandom(seed);
  return { ...primitives, randomBytes: (length) => random.nextBytes(length) };
}
