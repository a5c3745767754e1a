import type { ClientClock } from '../client/client-clock.ts';
import { edgeError } from '../errors.ts';
import type { Session } from '../session/session.ts';
import type { OpusCodec } from '../voice/opus-codec.ts';
import { VoiceDriver, type VoiceDatagrams, type VoiceSink, type VoiceSource } from '../voice/voice-driver.ts';
import { DEFAULT_SAMPLE_RATE, samplesPerFrame, type OpusSampleRate } from '../voice/voice-format.ts';
import type { VoiceStatistics } from '../voice/voice-statistics.ts';
import { warmUp } from './codec-warm-up.ts';
import { EarlyDatagrams } from './early-datagrams.ts';
import { PcmSource } from './pcm-source.ts';

/** How the voice of a call is coded on this end; the other end may choose differently. */
export interface CallVoiceOptions {
  /** Of the PCM that is played and recorded. @default 16000 */
  readonly sampleRate?: OpusSampleRate;
  /** @default 32000 */
  readonly bitrateBps?: number;
}

/** Why datagrams were not used that came before the codec was ready, when too many were waiting for it already. */
const EARLY_DROP = 'codec-not-ready';

/** Hears 20 ms of mono PCM per call, from the first that the other end said. */
export type PcmListener = (pcm: Int16Array) => void;

/** The sound of one call: where it comes from and goes to, which may be set before there is anybody to hear it. */
export class CallVoice {
  /** What is said: a microphone, a file. Undefined: silence. */
  source: VoiceSource | undefined;
  readonly #codec: OpusCodec;
  readonly #clock: ClientClock;
  readonly #listeners = new Set<PcmListener>();
  #options: CallVoiceOptions;
  #driver: VoiceDriver | undefined;
  #early: EarlyDatagrams | undefined;
  #playing: PcmSource | undefined;
  #isMuted = false;
  #isStopped = false;
  #framesPlayed = 0;
  #framesRecorded = 0;
  #heardAt = -Infinity;
  #stopListening: () => void = () => undefined;

  constructor(codec: OpusCodec, clock: ClientClock, options: CallVoiceOptions) {
    this.#codec = codec;
    this.#clock = clock;
    this.#options = options;
  }

  get sampleRate(): OpusSampleRate {
    return this.#options.sampleRate ?? DEFAULT_SAMPLE_RATE;
  }

  get isMuted(): boolean {
    return this.#isMuted;
  }

  /** True: silence is sent; the source is read all the same, so that it does not fall behind. */
  set isMuted(isMuted: boolean) {
    this.#isMuted = isMuted;
    if (this.#driver) this.#driver.isMuted = isMuted;
  }

  /** Frames of the source that were sent. */
  get framesPlayed(): number {
    return this.#framesPlayed;
  }

  /** Frames that the other end was heard with. */
  get framesRecorded(): number {
    return this.#framesRecorded;
  }

  /** Undefined before there was anything to measure. */
  statistics(): VoiceStatistics | undefined {
    const statistics = this.#driver?.statistics();
    const lost = this.#early?.lost ?? 0;
    if (!statistics || lost === 0) return statistics;
    return { ...statistics, dropped: { ...statistics.dropped, [EARLY_DROP]: lost } };
  }

  /** Replaces the source. Resolves when all was sent, or something else is played, or the call is over. */
  play(pcm: Int16Array | AsyncIterable<Int16Array>): Promise<void> {
    if (this.#isStopped) return Promise.resolve();
    this.#playing?.stop();
    this.#playing = new PcmSource(pcm, samplesPerFrame(this.sampleRate));
    this.source = this.#playing;
    return this.#playing.finished;
  }

  /** Returns the way to stop. */
  record(listener: PcmListener | VoiceSink): () => void {
    const write: PcmListener = typeof listener === 'function' ? listener : (pcm) => listener.write(pcm);
    this.#listeners.add(write);
    return () => this.#listeners.delete(write);
  }

  /** @internal Whether anything of the other end came lately. */
  wasHeardWithin(milliseconds: number): boolean {
    return this.#clock.monotonic() - this.#heardAt <= milliseconds;
  }

  /** @internal Before `start`. */
  configure(options: CallVoiceOptions): void {
    const isPlaying = this.#playing !== undefined && options.sampleRate !== undefined;
    if (isPlaying && options.sampleRate !== this.sampleRate) {
      throw edgeError('EDGE_OPTIONS_INVALID', { message: 'Choose the sample rate before you play.' });
    }
    this.#options = { ...this.#options, ...options };
  }

  /** @internal The codec loads and becomes fast while it rings, so that no first word waits for it. */
  prepare(): Promise<void> {
    return warmUp(this.#codec, this.sampleRate);
  }

  /**
   * @internal From here on voice travels over the datagrams of the session. A codec that was not ready when the call was answered
   * gets ready first; what the other end says meanwhile is kept.
   */
  async start(session: Session, onError: (error: unknown) => void): Promise<void> {
    const early = new EarlyDatagrams(session, this.#clock);
    this.#early = early;
    this.#stopListening = session.onDatagram(() => {
      this.#heardAt = this.#clock.monotonic();
    });
    try {
      await this.prepare();
      if (!this.#isStopped) await this.#startDriver(early, onError);
    } finally {
      early.stop();
    }
  }

  async #startDriver(datagrams: VoiceDatagrams, onError: (error: unknown) => void): Promise<void> {
    const { bitrateBps } = this.#options;
    const driver = await VoiceDriver.start({
      codec: this.#codec,
      datagrams,
      clock: this.#clock,
      source: { read: () => this.#read() },
      sink: { write: (pcm) => this.#write(pcm) },
      onError,
      sampleRate: this.sampleRate,
      ...(bitrateBps === undefined ? {} : { bitrateBps }),
    });
    driver.isMuted = this.#isMuted;
    this.#driver = driver;
    if (this.#isStopped) driver.stop();
  }

  /** @internal */
  stop(): void {
    this.#isStopped = true;
    this.#stopListening();
    this.#playing?.stop();
    this.#driver?.stop();
  }

  #read(): Int16Array | undefined {
    const frame = this.source?.read();
    if (frame) this.#framesPlayed += 1;
    return frame;
  }

  #write(pcm: Int16Array): void {
    this.#framesRecorded += 1;
    for (const listener of this.#listeners) listener(pcm);
  }
}
