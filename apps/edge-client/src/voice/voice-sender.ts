import type { Instant } from '@parley/nat';
import type { VoiceEncoder } from './opus-codec.ts';
import type { ReportBlock, SenderTime } from './rtcp-packet.ts';
import { opusPacketHasRedundancy } from './opus-packet.ts';
import { encodeRedundantPayload } from './redundant-payload.ts';
import { addToTimestamp } from './rtp-arithmetic.ts';
import { encodeRtpPacket } from './rtp-packet.ts';
import { PAYLOAD_TYPE, RTP_TICKS_PER_FRAME, RTP_TICKS_PER_MS } from './voice-format.ts';

export interface VoiceSenderOptions {
  readonly encoder: VoiceEncoder;
  /** Where the stream begins; all three are random, so that no two streams are alike (RFC 3550 sections 5.1 and 8). */
  readonly ssrc: number;
  readonly firstSequenceNumber: number;
  readonly firstTimestamp: number;
  /** Also copies frames that the encoder makes no copies of, see {@link VoiceSender.send}. @default true */
  readonly hasCopies?: boolean;
}

export interface SenderState {
  readonly packets: number;
  readonly bytes: number;
  /** What the other end said last, 0..1. */
  readonly remoteLossFraction: number;
  readonly remoteJitterMs: number;
  readonly expectedLossPercent: number;
}

/** The encoder is told to expect at least this, so that the first losses of a call find copies in place. */
export const MIN_EXPECTED_LOSS_PERCENT = 5;
const MAX_EXPECTED_LOSS_PERCENT = 30;

/**
 * The encoder copies speech only. What it leaves out are pauses, of some 25 bytes a frame; sending them twice costs a twentieth more.
 * Where it copies nothing at all, as at rates for music, a frame is larger than this and twice of it would be twice the rate.
 */
const MAX_COPIED_BYTES = 80;

/** Loss is believed at once and forgotten over some ten reports. */
const FORGET_GAIN = 0.1;

/** PCM frames in, RTP datagrams out; the reports of the other end decide how much redundancy is sent. */
export class VoiceSender {
  private readonly options: VoiceSenderOptions;
  private sequenceNumber: number;
  private timestamp: number;
  private lastSentAt: Instant | undefined;
  private packets = 0;
  private bytes = 0;
  private payloadBytes = 0;
  private smoothedLoss = 0;
  private remoteLossFraction = 0;
  private remoteJitterMs = 0;
  private expectedLossPercent = MIN_EXPECTED_LOSS_PERCENT;
  private lastFrame: Uint8Array | undefined;

  constructor(options: VoiceSenderOptions) {
    this.options = options;
    this.sequenceNumber = options.firstSequenceNumber & 0xffff;
    this.timestamp = options.firstTimestamp >>> 0;
  }

  get ssrc(): number {
    return this.options.ssrc;
  }

  /**
   * The datagram for the next 20 ms of sound. Each frame travels twice: the encoder puts a smaller copy of speech into the next one;
   * of what it does not copy, the next datagram carries the frame itself (RFC 2198).
   * @throws EDGE_OPTIONS_INVALID when `pcm` is not 20 ms long
   */
  send(pcm: Int16Array, now: Instant): Uint8Array {
    const frame = this.options.encoder.encode(pcm);
    const copied = opusPacketHasRedundancy(frame) ? undefined : this.uncopied();
    const payload =
      copied === undefined
        ? frame
        : encodeRedundantPayload(frame, { ticksBefore: RTP_TICKS_PER_FRAME, payload: copied });
    this.lastFrame = frame;
    const datagram = encodeRtpPacket({
      marker: this.packets === 0,
      payloadType: copied === undefined ? PAYLOAD_TYPE.opus : PAYLOAD_TYPE.redundant,
      sequenceNumber: this.sequenceNumber,
      timestamp: this.timestamp,
      ssrc: this.options.ssrc,
      payload,
    });
    this.sequenceNumber = (this.sequenceNumber + 1) & 0xffff;
    this.timestamp = addToTimestamp(this.timestamp, RTP_TICKS_PER_FRAME);
    this.lastSentAt = now;
    this.packets += 1;
    this.bytes += datagram.length;
    this.payloadBytes += payload.length;
    return datagram;
  }

  /** Takes what the other end says about this stream. */
  takeReport({ fractionLost, jitter }: Pick<ReportBlock, 'fractionLost' | 'jitter'>): void {
    this.remoteLossFraction = fractionLost / 256;
    this.remoteJitterMs = jitter / RTP_TICKS_PER_MS;
    const faded = this.smoothedLoss + (this.remoteLossFraction - this.smoothedLoss) * FORGET_GAIN;
    this.smoothedLoss = Math.max(this.remoteLossFraction, faded);
    const percent = Math.ceil(this.smoothedLoss * 100);
    const expected = Math.min(MAX_EXPECTED_LOSS_PERCENT, Math.max(MIN_EXPECTED_LOSS_PERCENT, percent));
    if (expected === this.expectedLossPercent) return;
    this.expectedLossPercent = expected;
    this.options.encoder.setExpectedLossPercent(expected);
  }

  /** The sender's part of a report; undefined before the first packet. */
  senderTime(now: Instant): SenderTime | undefined {
    if (this.lastSentAt === undefined) return undefined;
    const sinceNextFrame = Math.round((now - this.lastSentAt) * RTP_TICKS_PER_MS) - RTP_TICKS_PER_FRAME;
    return {
      ...ntpTime(now),
      rtpTimestamp: addToTimestamp(this.timestamp, sinceNextFrame),
      packetCount: this.packets >>> 0,
      octetCount: this.payloadBytes >>> 0,
    };
  }

  /** The frame before, where it is worth a copy. */
  private uncopied(): Uint8Array | undefined {
    const { lastFrame } = this;
    if (this.options.hasCopies === false || lastFrame === undefined) return undefined;
    return lastFrame.length <= MAX_COPIED_BYTES ? lastFrame : undefined;
  }

  get state(): SenderState {
    const { packets, bytes, remoteLossFraction, remoteJitterMs, expectedLossPercent } = this;
    return { packets, bytes, remoteLossFraction, remoteJitterMs, expectedLossPercent };
  }
}

/** Milliseconds of a monotonic clock as the seconds and fractions of a report. */
export function ntpTime(now: Instant): Pick<SenderTime, 'ntpSeconds' | 'ntpFraction'> {
  const ntpSeconds = Math.floor(now / 1_000);
  return {
    ntpSeconds: ntpSeconds >>> 0,
    ntpFraction: Math.floor((now / 1_000 - ntpSeconds) * 2 ** 32) >>> 0,
  };
}
