import { edgeError } from '../errors.ts';
import { resample } from './resample.ts';
import type { VoiceSink, VoiceSource } from './voice-driver.ts';
import {
  DEFAULT_SAMPLE_RATE,
  isOpusSampleRate,
  samplesPerFrame,
  type OpusSampleRate,
} from './voice-format.ts';
import { decodeWav, encodeWav } from './wav-file.ts';

/** Plays a WAV file into a call. */
export class WavSource implements VoiceSource {
  /** The rate to run the call at: the file's own where Opus takes it. */
  readonly sampleRate: OpusSampleRate;
  private readonly samples: Int16Array;
  private position = 0;

  /** @throws EDGE_OPTIONS_INVALID when `file` is no WAV file of 16-bit PCM */
  constructor(file: Uint8Array) {
    const decoded = decodeWav(file);
    if (!decoded.ok) {
      throw edgeError('EDGE_OPTIONS_INVALID', { message: `Not a usable WAV file: ${decoded.reason}.` });
    }
    const { sampleRate, samples } = decoded.audio;
    this.sampleRate = isOpusSampleRate(sampleRate) ? sampleRate : DEFAULT_SAMPLE_RATE;
    this.samples = resample(samples, sampleRate, this.sampleRate);
  }

  get durationMs(): number {
    return (this.samples.length / this.sampleRate) * 1_000;
  }

  /** Everything was read. */
  get hasEnded(): boolean {
    return this.position >= this.samples.length;
  }

  /** The last frame is filled up with silence. */
  read(): Int16Array | undefined {
    if (this.hasEnded) return undefined;
    const frame = new Int16Array(samplesPerFrame(this.sampleRate));
    frame.set(this.samples.subarray(this.position, this.position + frame.length));
    this.position += frame.length;
    return frame;
  }
}

/** Records what is heard in a call, up to a limit. */
export class WavSink implements VoiceSink {
  private readonly sampleRate: OpusSampleRate;
  private readonly maxFrames: number;
  private readonly frames: Int16Array[] = [];
  private missed = 0;

  /** `maxSeconds`: memory is bounded; what comes after it is not kept. @default one hour, 115 MB at 16 kHz */
  constructor(sampleRate: OpusSampleRate, maxSeconds = 3_600) {
    this.sampleRate = sampleRate;
    this.maxFrames = Math.ceil((maxSeconds * sampleRate) / samplesPerFrame(sampleRate));
  }

  /** Frames that came after the limit. */
  get framesNotKept(): number {
    return this.missed;
  }

  write(pcm: Int16Array): void {
    if (this.frames.length < this.maxFrames) this.frames.push(pcm);
    else this.missed += 1;
  }

  /** The recording so far, as a file. */
  toFile(): Uint8Array {
    const samples = new Int16Array(this.frames.length * samplesPerFrame(this.sampleRate));
    this.frames.forEach((frame, index) => samples.set(frame, index * frame.length));
    return encodeWav({ sampleRate: this.sampleRate, samples });
  }
}
