/**
 * How much a recording is what was played. A jitter buffer may shift the sound by a frame here and there, so each piece is looked for
 * near where it should be, and the best normalised cross-correlation counts. 1: the same wave; 0: nothing in common.
 */
export interface Similarity {
  /** Mean over the pieces that are loud enough, weighted by their energy. */
  readonly correlation: number;
  /** The share of loud frames of 20 ms where the recording is all but silent. */
  readonly holes: number;
}

const PIECE_SECONDS = 0.1;
const FRAMES_PER_PIECE = 5;
/** Steps in samples of the first search; speech has little above 2 kHz, so that the top is not stepped over at 16 kHz. */
const COARSE_STEP = 4;
/** A frame with less than this share of the power of what was played is a hole. */
const HOLE_BELOW = 0.05;
/** Pieces with less than this share of the mean power are silence between words. */
const SILENT_BELOW = 0.1;

export function similarity(
  played: Int16Array,
  recorded: Int16Array,
  options: { readonly sampleRate: number; readonly maxShiftSeconds: number },
): Similarity {
  const piece = Math.round(options.sampleRate * PIECE_SECONDS);
  const maxShift = Math.round(options.sampleRate * options.maxShiftSeconds);
  const threshold = (energy(played, 0, played.length) / played.length) * piece * SILENT_BELOW;
  const powerUpTo = new Float64Array(recorded.length + 1);
  recorded.forEach((sample, at) => (powerUpTo[at + 1] = (powerUpTo[at] ?? 0) + sample ** 2));
  let weight = 0;
  let weighted = 0;
  let frames = 0;
  let holes = 0;
  for (let start = 0; start + piece <= played.length; start += piece) {
    const power = energy(played, start, piece);
    if (power <= threshold) continue;
    const best = bestMatch({ played, recorded, powerUpTo, start, piece, maxShift, power });
    weight += power;
    weighted += power * best.correlation;
    const frame = piece / FRAMES_PER_PIECE;
    for (let offset = 0; offset < piece; offset += frame) {
      const loudness = energy(played, start + offset, frame);
      if (loudness <= threshold / FRAMES_PER_PIECE) continue;
      frames += 1;
      if (energy(recorded, best.at + offset, frame) < loudness * HOLE_BELOW) holes += 1;
    }
  }
  return { correlation: weighted / weight, holes: holes / frames };
}

interface Search {
  readonly played: Int16Array;
  readonly recorded: Int16Array;
  /** Energy of the recording before each sample. */
  readonly powerUpTo: Float64Array;
  readonly start: number;
  readonly piece: number;
  readonly maxShift: number;
  readonly power: number;
}

interface Match {
  readonly at: number;
  readonly correlation: number;
}

function bestMatch(search: Search): Match {
  const { recorded, start, piece, maxShift } = search;
  const last = Math.min(recorded.length - piece, start + maxShift);
  let best: Match = { at: start, correlation: 0 };
  const consider = (at: number): void => {
    const correlation = correlationAt(search, at);
    if (correlation > best.correlation) best = { at, correlation };
  };
  for (let at = Math.max(0, start - maxShift); at <= last; at += COARSE_STEP) consider(at);
  const centre = best.at;
  for (let at = centre - COARSE_STEP + 1; at < centre + COARSE_STEP; at += 1) consider(at);
  return best;
}

function correlationAt({ played, recorded, powerUpTo, start, piece, power }: Search, at: number): number {
  let product = 0;
  for (let k = 0; k < piece; k += 1) product += (played[start + k] ?? 0) * (recorded[at + k] ?? 0);
  const other = (powerUpTo[at + piece] ?? 0) - (powerUpTo[at] ?? 0);
  return other > 0 ? product / Math.sqrt(power * other) : 0;
}

function energy(samples: Int16Array, start: number, length: number): number {
  let sum = 0;
  for (let k = start; k < start + length; k += 1) sum += (samples[k] ?? 0) ** 2;
  return sum;
}
