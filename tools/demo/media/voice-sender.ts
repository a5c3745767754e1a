import type { Session } from '@parley/edge-client';
import { FRAME_BYTES, FRAME_MS, SAMPLES_PER_FRAME, encodeVoiceFrame } from './voice-frame.ts';

/** Sends audio in real time, one datagram every 20 ms; a frame the session would not take is not sent again. */
export class VoiceSender {
  readonly #session: Session;
  readonly #samples: Buffer;
  #next = 0;
  #sent = 0;

  constructor(session: Session, samples: Buffer) {
    this.#session = session;
    this.#samples = samples;
  }

  /** Sequence number of the frame that comes next. */
  get nextSequence(): number {
    return this.#next;
  }

  get framesSent(): number {
    return this.#sent;
  }

  get frames(): number {
    return Math.ceil(this.#samples.length / FRAME_BYTES);
  }

  /** Resolves after the last frame. The clock decides how many frames are due, so that a late timer catches up. */
  run(): Promise<void> {
    const began = performance.now();
    return new Promise((resolve) => {
      const timer = setInterval(() => {
        const due = Math.min(this.frames, Math.floor((performance.now() - began) / FRAME_MS) + 1);
        while (this.#next < due) this.#sendNext();
        if (this.#next < this.frames) return;
        clearInterval(timer);
        resolve();
      }, FRAME_MS / 4);
    });
  }

  #sendNext(): void {
    const samples = Buffer.alloc(FRAME_BYTES);
    this.#samples.copy(samples, 0, this.#next * FRAME_BYTES, (this.#next + 1) * FRAME_BYTES);
    const frame = { sequence: this.#next, timestamp: this.#next * SAMPLES_PER_FRAME, samples };
    if (this.#session.sendDatagram(encodeVoiceFrame(frame))) this.#sent += 1;
    this.#next += 1;
  }
}
