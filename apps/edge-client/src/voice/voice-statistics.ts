import { meanOpinionScore } from './e-model.ts';
import { FRAME_MS } from './voice-format.ts';
import type { ReceiverState } from './voice-receiver.ts';
import type { SenderState } from './voice-sender.ts';

/** How a call sounds and why. Times in milliseconds, fractions from 0 to 1, frames of 20 ms; all since the call began. */
export interface VoiceStatistics {
  readonly packetsSent: number;
  readonly packetsReceived: number;
  /** Never arrived, by the sequence numbers. */
  readonly packetsLost: number;
  /** Arrived after their frame was due. */
  readonly packetsLate: number;
  readonly packetsDuplicate: number;
  readonly framesPlayed: number;
  /** Lost, and played from a copy that came with the next packet (FEC). */
  readonly framesRecovered: number;
  /** Times that a frame was made up because there was none. */
  readonly framesConcealed: number;
  /** Made up to gain delay, and pairs played in the time of one to lose delay. */
  readonly framesInserted: number;
  readonly framesMerged: number;
  /** Times of 20 ms in which this process did not get to play anything. */
  readonly framesStalled: number;
  /** Neither received in time nor recovered, of all that were sent. */
  readonly unrecoveredLoss: number;
  /** Loss of what this end sends, as the other end reported it last. */
  readonly remoteLoss: number;
  readonly jitterMs: number;
  /** Mean wait in the jitter buffer, and what it aims at now. */
  readonly bufferDelayMs: number;
  readonly targetDelayMs: number;
  /** Undefined until the other end has answered a report. */
  readonly roundTripMs: number | undefined;
  /** Mouth to ear, one way: half a round trip, the frame itself, the codec and the jitter buffer. */
  readonly delayMs: number;
  /** Received, RTP headers included. */
  readonly bitrateBps: number;
  /** Mean opinion score by the E-model, 1 to 4.5. Undefined before anything was heard. */
  readonly mos: number | undefined;
  /** Datagrams that were not used, by reason. */
  readonly dropped: Readonly<Record<string, number>>;
}

/** How far Opus looks ahead when it is tuned for speech (RFC 6716 section 2). */
const CODEC_LOOKAHEAD_MS = 6.5;

export interface StatisticsSource {
  readonly sender: SenderState;
  readonly receiver: ReceiverState;
  readonly roundTripMs: number | undefined;
  readonly dropped: Readonly<Record<string, number>>;
}

export function voiceStatistics(source: StatisticsSource): VoiceStatistics {
  const { sender, receiver, roundTripMs, dropped } = source;
  const { playout } = receiver;
  const delayMs = (roundTripMs ?? 0) / 2 + FRAME_MS + CODEC_LOOKAHEAD_MS + playout.meanDelayMs;
  const unrecoveredLoss = lossFraction(receiver);
  const isHeard = playout.played + playout.recovered > 0;
  const impairment = { delayMs, lossFraction: unrecoveredLoss, burstRatio: burstRatio(receiver) };
  return {
    packetsSent: sender.packets,
    packetsReceived: receiver.packets,
    packetsLost: receiver.lost,
    packetsLate: playout.late,
    packetsDuplicate: playout.duplicate,
    framesPlayed: playout.played,
    framesRecovered: playout.recovered,
    framesConcealed: playout.concealed,
    framesInserted: playout.inserted,
    framesMerged: playout.merged,
    framesStalled: playout.stalled,
    unrecoveredLoss,
    remoteLoss: sender.remoteLossFraction,
    jitterMs: receiver.jitterMs,
    bufferDelayMs: playout.meanDelayMs,
    targetDelayMs: receiver.targetDelayMs,
    roundTripMs,
    delayMs,
    bitrateBps: receiver.expected === 0 ? 0 : (receiver.bytes * 8 * 1_000) / (receiver.expected * FRAME_MS),
    mos: isHeard ? meanOpinionScore(impairment) : undefined,
    dropped,
  };
}

function lossFraction({ playout, undecodable }: ReceiverState): number {
  const missed = playout.lost + playout.interrupted;
  const frames = playout.played + playout.recovered + missed;
  return frames === 0 ? 0 : Math.min(1, (missed + undecodable) / frames);
}

/** ITU-T G.107 section 7.5: the mean run of missing frames, against the `1 / (1 - p)` that random loss gives. */
function burstRatio(receiver: ReceiverState): number {
  const { lost, interrupted, lossRuns } = receiver.playout;
  return lossRuns === 0 ? 1 : Math.max(1, ((lost + interrupted) / lossRuns) * (1 - lossFraction(receiver)));
}
