/**
 * Proof of work for open registration: SHA-256 over challenge and solution must begin with `difficultyBits` zero bits.
 * Hashing is left to the caller, so that this stays free of any platform.
 */
export function puzzleInput(challenge: Uint8Array, solution: Uint8Array): Uint8Array {
  const input = new Uint8Array(challenge.length + solution.length);
  input.set(challenge, 0);
  input.set(solution, challenge.length);
  return input;
}

export function leadingZeroBits(digest: Uint8Array): number {
  let bits = 0;
  for (const byte of digest) {
    if (byte !== 0) return bits + Math.clz32(byte) - 24;
    bits += 8;
  }
  return bits;
}
