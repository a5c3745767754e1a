/** Zero crossings of the filter on either side: some 60 dB down outside of the band, which is enough for speech. */
const LOBES = 16;

const MAX_SAMPLE = 32_767;
const MIN_SAMPLE = -32_768;

/**
 * The same sound at another rate, through a windowed-sinc filter with one set of weights for each position that an output sample can
 * have between two input samples (Smith, "Digital Audio Resampling"). Opus takes most rates as they are, so this is only for files
 * at others, such as 44.1 kHz.
 */
export function resample(samples: Int16Array, fromRate: number, toRate: number): Int16Array {
  if (fromRate === toRate) return samples;
  const divisor = greatestCommonDivisor(fromRate, toRate);
  const step = fromRate / divisor;
  const phases = toRate / divisor;
  const cutoff = Math.min(1, toRate / fromRate); // relative to half the input rate
  const reach = Math.ceil(LOBES / cutoff);
  const filters = Array.from({ length: phases }, (_, phase) => weights(phase / phases, cutoff, reach));

  const output = new Int16Array(Math.floor((samples.length * phases) / step));
  for (let at = 0; at < output.length; at += 1) {
    const position = at * step;
    const filter = filters[position % phases];
    const first = Math.floor(position / phases) - reach + 1;
    let sum = 0;
    filter?.forEach((weight, tap) => (sum += weight * (samples[first + tap] ?? 0)));
    output[at] = Math.max(MIN_SAMPLE, Math.min(MAX_SAMPLE, Math.round(sum)));
  }
  return output;
}

/** For the `2 * reach` input samples around an output sample that lies `fraction` after the one in the middle. */
function weights(fraction: number, cutoff: number, reach: number): Float64Array {
  return Float64Array.from({ length: 2 * reach }, (_, tap) => {
    const distance = tap - reach + 1 - fraction;
    const window = 0.5 + 0.5 * Math.cos((Math.PI * distance) / reach);
    return cutoff * sinc(distance * cutoff) * window;
  });
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
