import type { Instant } from '@parley/nat';
import { JitterBuffer } from './jitter-buffer.ts';
import type { VoiceDecoder } from './opus-codec.ts';
import { opusPacketDurationMs } from './opus-packet.ts';
import type { PlayoutCounts } from './playout-tally.ts';
import { ReceptionStatistics } from './reception-statistics.ts';
import { decodeRedundantPayload, type RedundantPayload } from './redundant-payload.ts';
import type { ReportBlock } from './rtcp-packet.ts';
import { timestampDistance } from './rtp-arithmetic.ts';
import { decodeRtpPacket, type RtpFailureReason, type RtpPacket } from './rtp-packet.ts';
import {
  FRAME_MS,
  PAYLOAD_TYPE,
  RTP_TICKS_PER_FRAME,
  samplesPerFrame,
  type OpusSampleRate,
} from './voice-format.ts';

/** Why an RTP packet was not used. */
export type VoiceDropReason =
  | RtpFailureReason
  | 'foreign-ssrc'
  | 'unknown-payload-type'
  | 'bad-redundancy'
  | 'not-20-ms-opus'
  | 'off-the-frame-grid';

export interface VoiceReceiverOptions {
  readonly decoder: VoiceDecoder;
  readonly sampleRate: OpusSampleRate;
}

export interface ReceiverState {
  readonly packets: number;
  readonly bytes: number;
  readonly lost: number;
  readonly expected: number;
  readonly jitterMs: number;
  readonly targetDelayMs: number;
  /** Packets whose content the decoder refused. */
  readonly undecodable: number;
  readonly playout: PlayoutCounts;
}

/** A sender never pauses: one that was silent for so long has ended, and another stream of the same session may take its place. */
const STREAM_ENDED_AFTER_MS = 500;

/** In frames, so that the jitter buffer sees that a stream has nothing to do with the one before. */
const GAP_BETWEEN_STREAMS = 1_000_000;

/** RTP datagrams of one sender in, PCM out every 20 ms. One stream at a time: the first that is heard until it ends. */
export class VoiceReceiver {
  private readonly options: VoiceReceiverOptions;
  private readonly buffer = new JitterBuffer();
  private reception = new ReceptionStatistics();
  private source: number | undefined;
  private heardAt: Instant | undefined;
  /** The last timestamp and the frame number that it stood for. */
  private anchor: { timestamp: number; index: number } | undefined;
  private packets = 0;
  private bytes = 0;
  private undecodable = 0;

  constructor(options: VoiceReceiverOptions) {
    this.options = options;
  }

  /** The SSRC of the stream; undefined until it was heard. */
  get ssrc(): number | undefined {
    return this.source;
  }

  /**
   * Takes a datagram that arrived between `since` and `now`; the reason when it cannot be used. A packet that is only late counts
   * as used.
   */
  receive(datagram: Uint8Array, now: Instant, since = now): VoiceDropReason | undefined {
    const decoded = decodeRtpPacket(datagram);
    if (!decoded.ok) return decoded.reason;
    const { packet } = decoded;
    const content = contentOf(packet);
    if (typeof content === 'string') return content;
    if (this.source !== undefined && packet.ssrc !== this.source && !this.follow(packet, now)) {
      return 'foreign-ssrc';
    }

    const anchor = this.anchor ?? { timestamp: packet.timestamp, index: 0 };
    const frames = timestampDistance(anchor.timestamp, packet.timestamp) / RTP_TICKS_PER_FRAME;
    if (!Number.isInteger(frames)) return 'off-the-frame-grid';

    this.source = packet.ssrc;
    this.heardAt = now;
    const index = anchor.index + frames;
    this.packets += 1;
    this.bytes += datagram.length;
    // the datagram may be a view into memory that is used again
    const outcome = this.buffer.store(index, Uint8Array.from(content.primary), now, since);
    if (outcome === 'stored') this.storeCopies(index, content);
    if (outcome !== 'out-of-window') {
      this.anchor = { timestamp: packet.timestamp, index };
      this.reception.add(packet, now);
    }
    return undefined;
  }

  /** The 20 ms that were to be heard from `due` on; undefined before the stream has begun, and when it is too late for them. */
  play(due: Instant, now = due): Int16Array | undefined {
    const { decoder } = this.options;
    const decision = this.buffer.decide(due, now);
    switch (decision.kind) {
      case 'idle':
        return undefined;
      case 'play':
        return this.orConcealed(decoder.decode(decision.payload));
      case 'recover':
        return this.orConcealed(decoder.recover(decision.next));
      case 'restore':
        return this.orConcealed(decoder.decode(decision.payload));
      case 'merge': {
        const [first, second] = decision.payloads;
        return crossFade(this.orConcealed(decoder.decode(first)), this.orConcealed(decoder.decode(second)));
      }
      case 'conceal':
      case 'insert':
        return decoder.conceal();
      case 'silence':
        return new Int16Array(samplesPerFrame(this.options.sampleRate));
    }
  }

  /** What this end reports on the stream; undefined when there is none. */
  takeReportBlock(): Omit<ReportBlock, 'lastSenderReport' | 'delaySinceLastSenderReport'> | undefined {
    return this.source === undefined ? undefined : { ssrc: this.source, ...this.reception.takeReportBlock() };
  }

  get state(): ReceiverState {
    return {
      packets: this.packets,
      bytes: this.bytes,
      lost: this.reception.lost,
      expected: this.reception.expected,
      jitterMs: this.reception.jitterMs,
      targetDelayMs: this.buffer.targetDelayMs,
      undecodable: this.undecodable,
      playout: this.buffer.counts,
    };
  }

  /** Copies that are no frames of this stream are left; the packet that brought them is used all the same. */
  private storeCopies(index: number, { copies }: RedundantPayload): void {
    for (const { ticksBefore, payload } of copies) {
      const frames = ticksBefore / RTP_TICKS_PER_FRAME;
      if (frames < 1 || !Number.isInteger(frames) || opusPacketDurationMs(payload) !== FRAME_MS) continue;
      this.buffer.storeCopy(index - frames, Uint8Array.from(payload));
    }
  }

  /** Goes over to another stream when the present one has ended; late packets of an earlier call must not deafen the next. */
  private follow(packet: RtpPacket, now: Instant): boolean {
    if (this.heardAt !== undefined && now - this.heardAt < STREAM_ENDED_AFTER_MS) return false;
    this.anchor = { timestamp: packet.timestamp, index: (this.anchor?.index ?? 0) + GAP_BETWEEN_STREAMS };
    this.reception = new ReceptionStatistics();
    return true;
  }

  private orConcealed(pcm: Int16Array | undefined): Int16Array {
    if (pcm !== undefined) return pcm;
    this.undecodable += 1;
    return this.options.decoder.conceal();
  }
}

/** The frame of a packet and what it brings along; the reason when it cannot be used. */
function contentOf({ payloadType, payload }: RtpPacket): RedundantPayload | VoiceDropReason {
  if (payloadType !== PAYLOAD_TYPE.opus && payloadType !== PAYLOAD_TYPE.redundant)
    return 'unknown-payload-type';
  const content =
    payloadType === PAYLOAD_TYPE.opus ? { primary: payload, copies: [] } : decodeRedundantPayload(payload);
  if (content === undefined) return 'bad-redundancy';
  return opusPacketDurationMs(content.primary) === FRAME_MS ? content : 'not-20-ms-opus';
}

/** Two frames in the time of one, without a click. */
function crossFade(first: Int16Array, second: Int16Array): Int16Array {
  return first.map((sample, at) => {
    const weight = at / first.length;
    return Math.round(sample * (1 - weight) + (second[at] ?? 0) * weight);
  });
}
