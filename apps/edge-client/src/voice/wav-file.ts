/**
 * WAV files of 16-bit PCM (RIFF, format 1, or the extensible format that says the same).
 *
 * ```
 * "RIFF" size "WAVE" | "fmt " size format channels rate bytes/s align bits | "data" size samples
 * ```
 *
 * Chunks of other kinds are skipped. A `data` chunk that promises more than the file holds (a recording that was cut off, or one
 * that was written to a pipe) is taken as far as it goes.
 */
export interface PcmAudio {
  readonly sampleRate: number;
  /** Mono: several channels of a file are mixed. */
  readonly samples: Int16Array;
}

export type WavFailureReason = 'not-wav' | 'not-16-bit-pcm' | 'bad-format' | 'no-samples';

export type WavResult =
  { readonly ok: true; readonly audio: PcmAudio } | { readonly ok: false; readonly reason: WavFailureReason };

const HEADER_BYTES = 44;
const RIFF_BYTES = 12;
const CHUNK_HEADER_BYTES = 8;
const FORMAT_BYTES = 16;
const FORMAT_PCM = 1;
const FORMAT_EXTENSIBLE = 0xfffe;
const SUBFORMAT_AT = 24;
const BYTES_PER_SAMPLE = 2;
const MAX_CHANNELS = 8;
const MIN_RATE = 4_000;
const MAX_RATE = 384_000;

interface Format {
  readonly channels: number;
  readonly sampleRate: number;
}

export function decodeWav(file: Uint8Array): WavResult {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  if (file.length < RIFF_BYTES || !hasTag(view, 0, 'RIFF') || !hasTag(view, 8, 'WAVE')) {
    return { ok: false, reason: 'not-wav' };
  }
  let format: Format | undefined;
  for (let at = RIFF_BYTES; at + CHUNK_HEADER_BYTES <= file.length;) {
    const body = at + CHUNK_HEADER_BYTES;
    const length = view.getUint32(at + 4, true);
    const end = Math.min(body + length, file.length);
    if (hasTag(view, at, 'fmt ')) {
      const parsed = parseFormat(view, body, end);
      if (typeof parsed === 'string') return { ok: false, reason: parsed };
      format = parsed;
    } else if (hasTag(view, at, 'data')) {
      if (format === undefined) return { ok: false, reason: 'bad-format' };
      const samples = mixedToMono(view, { from: body, to: end, channels: format.channels });
      return { ok: true, audio: { sampleRate: format.sampleRate, samples } };
    }
    at = body + length + (length % 2); // chunks are padded to even lengths
  }
  return { ok: false, reason: 'no-samples' };
}

export function encodeWav({ sampleRate, samples }: PcmAudio): Uint8Array {
  const dataBytes = samples.length * BYTES_PER_SAMPLE;
  const file = new Uint8Array(HEADER_BYTES + dataBytes);
  const view = new DataView(file.buffer);
  putTag(view, 0, 'RIFF');
  view.setUint32(4, file.length - CHUNK_HEADER_BYTES, true);
  putTag(view, 8, 'WAVE');
  putTag(view, 12, 'fmt ');
  view.setUint32(16, FORMAT_BYTES, true);
  view.setUint16(20, FORMAT_PCM, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, sampleRate, true);
  view.setUint32(28, sampleRate * BYTES_PER_SAMPLE, true);
  view.setUint16(32, BYTES_PER_SAMPLE, true);
  view.setUint16(34, BYTES_PER_SAMPLE * 8, true);
  putTag(view, 36, 'data');
  view.setUint32(40, dataBytes, true);
  samples.forEach((sample, index) => view.setInt16(HEADER_BYTES + index * BYTES_PER_SAMPLE, sample, true));
  return file;
}

function parseFormat(view: DataView, at: number, end: number): Format | WavFailureReason {
  if (at + FORMAT_BYTES > end) return 'bad-format';
  const tag = view.getUint16(at, true);
  const isPcm =
    tag === FORMAT_PCM ||
    (tag === FORMAT_EXTENSIBLE &&
      at + SUBFORMAT_AT + 2 <= end &&
      view.getUint16(at + SUBFORMAT_AT, true) === FORMAT_PCM);
  if (!isPcm || view.getUint16(at + 14, true) !== BYTES_PER_SAMPLE * 8) return 'not-16-bit-pcm';
  const channels = view.getUint16(at + 2, true);
  const sampleRate = view.getUint32(at + 4, true);
  const isUsable =
    channels >= 1 && channels <= MAX_CHANNELS && sampleRate >= MIN_RATE && sampleRate <= MAX_RATE;
  return isUsable ? { channels, sampleRate } : 'bad-format';
}

function mixedToMono(view: DataView, data: { from: number; to: number; channels: number }): Int16Array {
  const frameBytes = data.channels * BYTES_PER_SAMPLE;
  const samples = new Int16Array(Math.floor((data.to - data.from) / frameBytes));
  for (let index = 0; index < samples.length; index += 1) {
    let sum = 0;
    for (let channel = 0; channel < data.channels; channel += 1) {
      sum += view.getInt16(data.from + index * frameBytes + channel * BYTES_PER_SAMPLE, true);
    }
    samples[index] = Math.round(sum / data.channels);
  }
  return samples;
}

function hasTag(view: DataView, at: number, tag: string): boolean {
  return Array.from(tag).every((letter, index) => view.getUint8(at + index) === letter.charCodeAt(0));
}

function putTag(view: DataView, at: number, tag: string): void {
  Array.from(tag).forEach((letter, index) => view.setUint8(at + index, letter.charCodeAt(0)));
}
