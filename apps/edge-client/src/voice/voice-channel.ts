import { after, earliest, instant, type Core, type Instant } from '@parley/nat';
import { ReportExchange } from './report-exchange.ts';
import { decodeRtcp, encodeRtcpReport, type RtcpFailureReason } from './rtcp-packet.ts';
import { classifyDatagram } from './rtp-packet.ts';
import { FRAME_MS } from './voice-format.ts';
import { VoiceReceiver, type VoiceDropReason, type VoiceReceiverOptions } from './voice-receiver.ts';
import { VoiceSender, type VoiceSenderOptions } from './voice-sender.ts';
import { voiceStatistics, type VoiceStatistics } from './voice-statistics.ts';

export type VoiceInput =
  | { readonly kind: 'datagram'; readonly bytes: Uint8Array }
  /** 20 ms of sound to send. */
  | { readonly kind: 'frame'; readonly pcm: Int16Array };

export type VoiceOutput =
  | { readonly kind: 'send'; readonly bytes: Uint8Array }
  /** 20 ms of sound to be heard. */
  | { readonly kind: 'play'; readonly pcm: Int16Array }
  /** The next frame to send is due: answer with an input of kind `frame`. */
  | { readonly kind: 'capture' }
  | { readonly kind: 'drop'; readonly reason: VoiceChannelDropReason };

/** Why a datagram was not used; RTCP reasons begin with `rtcp-`. */
export type VoiceChannelDropReason =
  'not-rtp' | VoiceDropReason | `rtcp-${RtcpFailureReason | 'wrong-stream'}`;

export interface VoiceChannelOptions extends VoiceSenderOptions, VoiceReceiverOptions {}

/**
 * Both ends of a call are two, so the wide intervals that keep a conference's reports in bounds (RFC 3550 section 6.2) are not
 * needed: 52 bytes a second are under the 5% that reports may take of 32 kbit/s.
 */
const REPORT_INTERVAL_MS = 1_000;

/** Frames that a late timer makes up for; beyond them the time is lost on purpose. */
const MAX_FRAMES_BEHIND = 50;

/** Voice both ways over one unreliable channel: RTP and RTCP in the same datagrams (RFC 5761). Its time starts with the first `now`. */
export class VoiceChannel implements Core<VoiceInput, VoiceOutput> {
  private readonly sender: VoiceSender;
  private readonly receiver: VoiceReceiver;
  private readonly reports = new ReportExchange();
  private readonly dropped = new Map<VoiceChannelDropReason, number>();
  private nextFrameAt: Instant;
  private nextReportAt: Instant;

  constructor(options: VoiceChannelOptions, now: Instant) {
    this.sender = new VoiceSender(options);
    this.receiver = new VoiceReceiver(options);
    this.nextFrameAt = now;
    this.nextReportAt = after(now, REPORT_INTERVAL_MS);
  }

  handle(input: VoiceInput, now: Instant): readonly VoiceOutput[] {
    if (input.kind === 'frame') return [{ kind: 'send', bytes: this.sender.send(input.pcm, now) }];
    const reason = this.take(input.bytes, now);
    if (reason === undefined) return [];
    this.dropped.set(reason, (this.dropped.get(reason) ?? 0) + 1);
    return [{ kind: 'drop', reason }];
  }

  handleTimeout(now: Instant): readonly VoiceOutput[] {
    const outputs: VoiceOutput[] = [];
    if (now - this.nextFrameAt > MAX_FRAMES_BEHIND * FRAME_MS) this.nextFrameAt = now;
    while (this.nextFrameAt <= now) {
      const pcm = this.receiver.play(this.nextFrameAt, now);
      if (pcm !== undefined) outputs.push({ kind: 'play', pcm });
      outputs.push({ kind: 'capture' });
      this.nextFrameAt = after(this.nextFrameAt, FRAME_MS);
    }
    if (this.nextReportAt <= now) {
      outputs.push({ kind: 'send', bytes: this.report(now) });
      this.nextReportAt = after(now, REPORT_INTERVAL_MS);
    }
    return outputs;
  }

  nextTimeoutAt(): Instant | undefined {
    return earliest(this.nextFrameAt, this.nextReportAt);
  }

  statistics(): VoiceStatistics {
    return voiceStatistics({
      sender: this.sender.state,
      receiver: this.receiver.state,
      roundTripMs: this.reports.roundTripMs,
      dropped: Object.fromEntries(this.dropped),
    });
  }

  private take(bytes: Uint8Array, now: Instant): VoiceChannelDropReason | undefined {
    switch (classifyDatagram(bytes)) {
      case 'rtp':
        // a timer that is overdue says that nobody looked for datagrams since
        return this.receiver.receive(bytes, now, instant(Math.min(now, this.nextFrameAt)));
      case 'rtcp':
        return this.takeReports(bytes, now);
      case 'other':
        return 'not-rtp';
    }
  }

  private takeReports(bytes: Uint8Array, now: Instant): VoiceChannelDropReason | undefined {
    const decoded = decodeRtcp(bytes);
    if (!decoded.ok) return `rtcp-${decoded.reason}`;
    for (const report of decoded.reports) {
      if (this.receiver.ssrc !== undefined && report.ssrc !== this.receiver.ssrc) return 'rtcp-wrong-stream';
      if (report.sender !== undefined) this.reports.takeSenderReport(report.sender, now);
      for (const block of report.blocks) {
        if (block.ssrc !== this.sender.ssrc) continue;
        this.sender.takeReport(block);
        this.reports.takeAnswer(block, now);
      }
    }
    return undefined;
  }

  private report(now: Instant): Uint8Array {
    const sender = this.sender.senderTime(now);
    const received = this.receiver.takeReportBlock();
    return encodeRtcpReport({
      ssrc: this.sender.ssrc,
      ...(sender === undefined ? {} : { sender }),
      blocks: received === undefined ? [] : [{ ...received, ...this.reports.answer(now) }],
    });
  }
}
