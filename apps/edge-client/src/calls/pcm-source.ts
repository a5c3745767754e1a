import { deferred } from '../session/deferred.ts';
import type { VoiceSource } from '../voice/voice-driver.ts';

/** Frames of 20 ms that are kept ready; the rest stays with whoever makes them. */
const FRAMES_AHEAD = 25;

/** Cuts PCM of any lengths, given at once or as it comes, into the frames of a call. */
export class PcmSource implements VoiceSource {
  /** Everything was sent; rejects with what the iterable threw. */
  readonly finished: Promise<void>;
  readonly #finishing = deferred<undefined>();
  readonly #frameLength: number;
  readonly #chunks: Int16Array[] = [];
  readonly #more: AsyncIterator<Int16Array> | undefined;
  #available = 0;
  #hasAll: boolean;
  #isPulling = false;

  constructor(pcm: Int16Array | AsyncIterable<Int16Array>, frameLength: number) {
    this.finished = this.#finishing.promise;
    this.#frameLength = frameLength;
    this.#hasAll = pcm instanceof Int16Array;
    if (pcm instanceof Int16Array) this.#add(pcm);
    else this.#more = pcm[Symbol.asyncIterator]();
    this.#pull();
  }

  /** The last frame is filled up with silence; a source that can't keep up is silent meanwhile. */
  read(): Int16Array | undefined {
    const isPartial = this.#available < this.#frameLength;
    if (isPartial && !this.#hasAll) return undefined;
    if (this.#available === 0) {
      this.#finishing.resolve(undefined);
      return undefined;
    }
    const frame = new Int16Array(this.#frameLength);
    for (let filled = 0; filled < frame.length && this.#available > 0;) {
      filled += this.#take(frame.subarray(filled));
    }
    this.#pull();
    if (this.#hasAll && this.#available === 0) this.#finishing.resolve(undefined);
    return frame;
  }

  /** Nothing more is read. */
  stop(): void {
    this.#chunks.length = 0;
    this.#available = 0;
    this.#hasAll = true;
    this.#finishing.resolve(undefined);
    this.#more?.return?.().catch(() => undefined); // the reader is gone, and what it missed with it
  }

  #add(chunk: Int16Array): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#available += chunk.length;
  }

  /** Moves samples of the first chunk into `room`; how many. */
  #take(room: Int16Array): number {
    const [chunk = room.subarray(0, 0)] = this.#chunks;
    const taken = chunk.subarray(0, room.length);
    room.set(taken);
    if (taken.length < chunk.length) this.#chunks[0] = chunk.subarray(taken.length);
    else this.#chunks.shift();
    this.#available -= taken.length;
    return taken.length;
  }

  #pull(): void {
    const isEnough = this.#available >= FRAMES_AHEAD * this.#frameLength;
    if (!this.#more || this.#hasAll || this.#isPulling || isEnough) return;
    this.#isPulling = true;
    this.#more.next().then(
      ({ value, done }) => {
        this.#isPulling = false;
        if (this.#hasAll) return;
        if (done) this.#hasAll = true;
        else this.#add(value);
        this.#pull();
      },
      (thrown: unknown) => {
        this.#hasAll = true;
        this.#finishing.reject(thrown as Error);
      },
    );
  }
}
