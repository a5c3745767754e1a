const PIECE_SECONDS = 0.1;
/** A jitter buffer moves the sound by some frames during a call. */
const DRIFT_SECONDS = 0.06;
const STEP = 4;

/**
 * How much of what was played is in the recording: 1 for the same wave, 0 for nothing in common. Each loud piece is looked for
 * near where the one before was found; the first, and one after a piece that was not found, may be anywhere within `searchSeconds`.
 */
export function correlation(
  played: Int16Array,
  recorded: Int16Array,
  options: { readonly sampleRate: number; readonly searchSeconds: number },
): number {
  const length = Math.round(options.sampleRate * PIECE_SECONDS);
  const loud = piecesOf(played, length);
  const everywhere = Math.round(options.sampleRate * options.searchSeconds);
  let range = everywhere;
  let shift = 0;
  let sum = 0;
  let weight = 0;
  for (const { at, power } of loud) {
    const piece = played.subarray(at, at + length);
    const best = bestShift(piece, recorded, { around: at + shift, range });
    if (best.value > 0.5) {
      shift = best.at - at;
      range = Math.round(options.sampleRate * DRIFT_SECONDS);
    } else range = everywhere;
    sum += best.value * power;
    weight += power;
  }
  return weight === 0 ? 0 : sum / weight;
}

/** Pieces that are no silence between words. */
function piecesOf(samples: Int16Array, length: number): readonly { at: number; power: number }[] {
  const pieces: { at: number; power: number }[] = [];
  for (let at = 0; at + length <= samples.length; at += length) {
    pieces.push({ at, power: powerOf(samples.subarray(at, at + length)) });
  }
  const mean = pieces.reduce((sum, { power }) => sum + power, 0) / pieces.length;
  return pieces.filter(({ power }) => power > mean / 10);
}

function bestShift(
  piece: Int16Array,
  recorded: Int16Array,
  { around, range }: { readonly around: number; readonly range: number },
): { readonly at: number; readonly value: number } {
  let best = { at: around, value: 0 };
  const consider = (at: number): void => {
    const value = correlationAt(piece, recorded.subarray(at, at + piece.length));
    if (value > best.value) best = { at, value };
  };
  const last = Math.min(recorded.length - piece.length, around + range);
  for (let at = Math.max(0, around - range); at <= last; at += STEP) consider(at);
  for (let at = Math.max(0, best.at - STEP), end = best.at + STEP; at <= end; at += 1) consider(at);
  return best;
}

function correlationAt(one: Int16Array, other: Int16Array): number {
  let product = 0;
  for (let k = 0; k < one.length; k += 1) product += (one[k] ?? 0) * (other[k] ?? 0);
  const power = powerOf(one) * powerOf(other);
  return power === 0 ? 0 : product / Math.sqrt(power);
}

function powerOf(samples: Int16Array): number {
  return samples.reduce((sum, sample) => sum + sample * sample, 0);
}
