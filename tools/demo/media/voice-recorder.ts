import { decodeVoiceFrame, FRAME_BYTES, SAMPLES_PER_FRAME } from './voice-frame.ts';

/** Collects frames in any order and puts them where their time stamps say; what never came stays silent. */
export class VoiceRecorder {
  readonly #frames = new Map<number, Uint8Array>();
  #malformed = 0;
  #misplaced = 0;

  add(datagram: Uint8Array): void {
    const frame = decodeVoiceFrame(datagram);
    if (!frame) this.#malformed += 1;
    else if (frame.timestamp !== frame.sequence * SAMPLES_PER_FRAME) this.#misplaced += 1;
    else this.#frames.set(frame.sequence, frame.samples);
  }

  /** Different frames; a frame that came twice counts once. */
  get framesReceived(): number {
    return this.#frames.size;
  }

  /** Datagrams that were no frames of this stream. */
  get rejected(): number {
    return this.#malformed + this.#misplaced;
  }

  /** Sequence numbers from `from` to `to` (exclusive) that never came. */
  missing(from: number, to: number): number[] {
    const wanted = Array.from({ length: Math.max(0, to - from) }, (_, n) => from + n);
    return wanted.filter((sequence) => !this.#frames.has(sequence));
  }

  /** The recording, `frames` long. */
  samples(frames: number): Buffer {
    const recording = Buffer.alloc(frames * FRAME_BYTES);
    for (const [sequence, samples] of this.#frames) {
      if (sequence < frames) recording.set(samples, sequence * FRAME_BYTES);
    }
    return recording;
  }
}
