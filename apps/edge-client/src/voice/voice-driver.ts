import { randomBytes } from 'node:crypto';
import { instant, type Instant } from '@parley/nat';
import { processClock, type ClientClock } from '../client/client-clock.ts';
import { edgeError } from '../errors.ts';
import type { OpusCodec, VoiceDecoder, VoiceEncoder } from './opus-codec.ts';
import { VoiceChannel, type VoiceInput, type VoiceOutput } from './voice-channel.ts';
import { DEFAULT_SAMPLE_RATE, FRAME_MS, samplesPerFrame, type OpusSampleRate } from './voice-format.ts';
import { MIN_EXPECTED_LOSS_PERCENT } from './voice-sender.ts';
import type { VoiceStatistics } from './voice-statistics.ts';

/** Where the sound to send comes from. */
export interface VoiceSource {
  /** The next 20 ms of mono PCM at the rate of the call; undefined when there is nothing to say, now or any more. */
  read(): Int16Array | undefined;
}

/** Where the sound of the other end goes. */
export interface VoiceSink {
  /** 20 ms of mono PCM at the rate of the call; the first frame is the first that was heard. */
  write(pcm: Int16Array): void;
}

/** What the voice of a call travels over: a {@link Session} is one. */
export interface VoiceDatagrams {
  /** False when it was not taken. */
  sendDatagram(bytes: Uint8Array): boolean;
  /** `at`: when it arrived, where that is not now. Returns the way to stop. */
  onDatagram(listener: (bytes: Uint8Array, at?: Instant) => void): () => void;
}

export interface VoiceDriverOptions {
  readonly codec: OpusCodec;
  readonly datagrams: VoiceDatagrams;
  /** @default silence is sent */
  readonly source?: VoiceSource;
  /** @default what is heard is thrown away, though counted */
  readonly sink?: VoiceSink;
  /** The source, the sink or the codec threw: the driver has stopped. */
  readonly onError: (error: unknown) => void;
  /** @default 16000; the two ends may differ */
  readonly sampleRate?: OpusSampleRate;
  /** 6000 to 128000. @default 32000 */
  readonly bitrateBps?: number;
  /** Opus complexity, 0 to 10. @default 5 */
  readonly complexity?: number;
  /** @default true */
  readonly hasForwardErrorCorrection?: boolean;
  readonly clock?: Pick<ClientClock, 'monotonic'>;
}

const DEFAULT_BITRATE_BPS = 32_000;
/** Half the work of the best; what speech loses by it is hard to hear. */
const DEFAULT_COMPLEXITY = 5;

/** What mono speech can use (RFC 6716 section 2.1.1), and what fits the codec's own scale. */
const BITRATES_BPS = [6_000, 128_000] as const;
const COMPLEXITIES = [0, 10] as const;

/** Runs one {@link VoiceChannel} over the datagrams of a session, with one timer. */
export class VoiceDriver {
  /** Sends silence instead of the source, which is read all the same so that it does not fall behind. */
  isMuted = false;
  /** Datagrams that the session did not take. */
  refused = 0;
  private readonly options: VoiceDriverOptions;
  private readonly channel: VoiceChannel;
  private readonly codecs: readonly (VoiceEncoder | VoiceDecoder)[];
  private readonly clock: Pick<ClientClock, 'monotonic'>;
  private readonly silence: Int16Array;
  private readonly stopListening: () => void;
  private timer: NodeJS.Timeout | undefined;
  private turn: NodeJS.Immediate | undefined;
  private isStopped = false;

  /**
   * Loads the codec and begins to send and to play.
   * @throws EDGE_OPTIONS_INVALID when the bitrate or the complexity is out of its range
   */
  static async start(options: VoiceDriverOptions): Promise<VoiceDriver> {
    const sampleRate = options.sampleRate ?? DEFAULT_SAMPLE_RATE;
    const { bitrateBps = DEFAULT_BITRATE_BPS, complexity = DEFAULT_COMPLEXITY } = options;
    requireWithin('bitrateBps', bitrateBps, BITRATES_BPS);
    requireWithin('complexity', complexity, COMPLEXITIES);
    const encoder = await options.codec.createEncoder({
      sampleRate,
      bitrateBps,
      complexity,
      hasForwardErrorCorrection: options.hasForwardErrorCorrection ?? true,
      expectedLossPercent: MIN_EXPECTED_LOSS_PERCENT,
    });
    const decoder = await options.codec.createDecoder({ sampleRate });
    return new VoiceDriver(options, encoder, decoder);
  }

  private constructor(options: VoiceDriverOptions, encoder: VoiceEncoder, decoder: VoiceDecoder) {
    const sampleRate = options.sampleRate ?? DEFAULT_SAMPLE_RATE;
    const random = randomBytes(10);
    this.options = options;
    this.codecs = [encoder, decoder];
    this.clock = options.clock ?? processClock;
    this.silence = new Int16Array(samplesPerFrame(sampleRate));
    this.channel = new VoiceChannel(
      {
        encoder,
        decoder,
        sampleRate,
        ssrc: random.readUInt32BE(0),
        firstTimestamp: random.readUInt32BE(4),
        firstSequenceNumber: random.readUInt16BE(8),
        hasCopies: options.hasForwardErrorCorrection ?? true,
      },
      this.now(),
    );
    this.stopListening = options.datagrams.onDatagram((bytes, at) =>
      this.handle({ kind: 'datagram', bytes }, at),
    );
    this.run();
  }

  /** As it is now, or as it was when the driver was stopped. */
  statistics(): VoiceStatistics {
    return this.channel.statistics();
  }

  /** Ends sending and playing for good; harmless when it was stopped already. */
  stop(): void {
    if (this.isStopped) return;
    this.isStopped = true;
    clearTimeout(this.timer);
    clearImmediate(this.turn);
    this.stopListening();
    for (const codec of this.codecs) codec.free();
  }

  private now(): Instant {
    return instant(this.clock.monotonic());
  }

  private run(): void {
    this.guard(() => {
      for (const output of this.channel.handleTimeout(this.now())) this.perform(output);
    });
    const at = this.channel.nextTimeoutAt();
    // a sink or the transport may have stopped us
    if (this.isStopped || at === undefined) return;
    this.timer = setTimeout(() => this.wakeUp(at), Math.max(0, at - this.now()));
  }

  /**
   * Timers come before sockets in a turn of the event loop. When something has kept us for longer than a frame, the datagrams of that
   * time still wait to be read; the session hands them over at the end of the turn, and we go after it.
   */
  private wakeUp(dueAt: Instant): void {
    if (this.now() - dueAt < FRAME_MS) this.run();
    else
      this.turn = setImmediate(() => {
        this.turn = setImmediate(() => this.run());
      });
  }

  private handle(input: VoiceInput, at = this.now()): void {
    if (this.isStopped) return;
    this.guard(() => {
      for (const output of this.channel.handle(input, at)) this.perform(output);
    });
  }

  /** What the app's code throws must not end the timer or the session's turn unseen. */
  private guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.stop();
      this.options.onError(error);
    }
  }

  private perform(output: VoiceOutput): void {
    if (this.isStopped) return;
    switch (output.kind) {
      case 'send':
        if (!this.options.datagrams.sendDatagram(output.bytes)) this.refused += 1;
        break;
      case 'play':
        this.options.sink?.write(output.pcm);
        break;
      case 'capture': {
        const pcm = this.options.source?.read();
        this.handle({ kind: 'frame', pcm: this.isMuted ? this.silence : (pcm ?? this.silence) });
        break;
      }
      case 'drop':
        break; // counted in the statistics
    }
  }
}

function requireWithin(name: string, value: number, [least, most]: readonly [number, number]): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw edgeError('EDGE_OPTIONS_INVALID', { message: `${name} is a whole number from ${least} to ${most}.` });
}
