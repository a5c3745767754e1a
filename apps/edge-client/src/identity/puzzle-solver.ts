import { createHash, randomBytes } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { leadingZeroBits, puzzleInput } from '@parley/protocol';
import { edgeError } from '../errors.ts';

/** How far a proof of work has come. `expectedAttempts` is the mean; luck decides. */
export interface PuzzleProgress {
  readonly attempts: number;
  readonly expectedAttempts: number;
}

export interface PuzzleOptions {
  readonly onProgress?: ((progress: PuzzleProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Attempts between two turns of the event loop: a few milliseconds, so that timers and sockets stay served. */
const SLICE = 4096;

/** @throws EDGE_ABORTED */
export async function solvePuzzle(
  challenge: Uint8Array,
  difficultyBits: number,
  options: PuzzleOptions = {},
): Promise<Uint8Array> {
  const solution = randomBytes(16);
  const expectedAttempts = 2 ** difficultyBits;
  for (let attempts = 1; ; attempts += 1) {
    // The random upper half keeps two solvers apart; the lower half counts.
    solution.writeUInt32BE(attempts % 0x1_0000_0000, 8);
    solution.writeUInt32BE(Math.floor(attempts / 0x1_0000_0000), 12);
    const digest = createHash('sha256').update(puzzleInput(challenge, solution)).digest();
    if (leadingZeroBits(digest) >= difficultyBits) {
      options.onProgress?.({ attempts, expectedAttempts });
      return solution;
    }
    if (attempts % SLICE === 0) {
      options.onProgress?.({ attempts, expectedAttempts });
      await nextTurn();
      if (options.signal?.aborted) throw edgeError('EDGE_ABORTED');
    }
  }
}
