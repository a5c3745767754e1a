import { instant, type Instant } from '@parley/nat';
import { seeded } from '../../session/testing/impaired-path.ts';
import { libopus } from '../opus-codec.libopus.ts';
import type { VoiceDecoder } from '../opus-codec.ts';
import { VoiceChannel, type VoiceOutput } from '../voice-channel.ts';
import { samplesPerFrame, type OpusSampleRate } from '../voice-format.ts';
import type { VoiceStatistics } from '../voice-statistics.ts';

export interface VirtualNetwork {
  readonly delayMs?: number;
  /** Extra delay of up to this long, drawn for each packet, so that packets overtake each other. */
  readonly jitterMs?: number;
  /** 0..1 */
  readonly loss?: number;
  readonly duplicates?: number;
  /** Extra delay as a function of the time since the call began. */
  readonly extraDelayMs?: (elapsedMs: number) => number;
  readonly seed?: number;
}

export interface VirtualCallOptions {
  /** What the caller says. */
  readonly samples: Int16Array;
  readonly sampleRate: OpusSampleRate;
  /** @default the rate of the caller */
  readonly calleeSampleRate?: OpusSampleRate;
  readonly network?: VirtualNetwork;
  readonly hasForwardErrorCorrection?: boolean;
  /** Makes a receiver worse, to show that a test sees it. */
  readonly damage?: (decoder: VoiceDecoder) => VoiceDecoder;
  /** How much faster than the caller's the clock of the callee runs, in millionths. */
  readonly calleeClockPpm?: number;
}

export interface VirtualCallResult {
  readonly recording: Int16Array;
  readonly callee: VoiceStatistics;
  readonly caller: VoiceStatistics;
}

/** Sound that is still on its way when the caller has said everything. */
const TAIL_MS = 700;

/** A whole call in virtual time: the caller plays `samples`, the callee records what it hears and sends silence. */
export async function virtualCall(options: VirtualCallOptions): Promise<VirtualCallResult> {
  const { samples, sampleRate, network = {}, calleeClockPpm = 0 } = options;
  const calleeRate = options.calleeSampleRate ?? sampleRate;
  const caller = await createEnd(options, { sampleRate, ssrc: 0xca11e4 });
  const callee = await createEnd(options, { sampleRate: calleeRate, ssrc: 0xca11ee });
  const calleeTime = (at: number): Instant => instant(at * (1 + calleeClockPpm / 1_000_000));
  const impair = impairment(network);
  const underway: { at: number; to: 'caller' | 'callee'; bytes: Uint8Array }[] = [];
  const heard: Int16Array[] = [];
  const frame = samplesPerFrame(sampleRate);
  let position = 0;

  const perform = (end: 'caller' | 'callee', outputs: readonly VoiceOutput[], now: number): void => {
    const channel = end === 'caller' ? caller.channel : callee.channel;
    for (const output of outputs) {
      if (output.kind === 'send') {
        const to = end === 'caller' ? 'callee' : 'caller';
        for (const at of impair(now)) underway.push({ at, to, bytes: output.bytes });
      } else if (output.kind === 'play' && end === 'callee') heard.push(output.pcm);
      else if (output.kind === 'capture') {
        const pcm = new Int16Array(samplesPerFrame(end === 'caller' ? sampleRate : calleeRate));
        if (end === 'caller') {
          pcm.set(samples.subarray(position, position + frame));
          position += frame;
        }
        const time = end === 'caller' ? instant(now) : calleeTime(now);
        perform(end, channel.handle({ kind: 'frame', pcm }, time), now);
      }
    }
  };

  const endsAt = (samples.length / sampleRate) * 1_000 + TAIL_MS;
  for (let now = 0; now < endsAt; now += 1) {
    const arrived = underway.filter((packet) => packet.at <= now).sort((a, b) => a.at - b.at);
    for (const packet of arrived) {
      underway.splice(underway.indexOf(packet), 1);
      const input = { kind: 'datagram', bytes: packet.bytes } as const;
      if (packet.to === 'caller') perform('caller', caller.channel.handle(input, instant(now)), now);
      else perform('callee', callee.channel.handle(input, calleeTime(now)), now);
    }
    if (caller.isDue(instant(now))) perform('caller', caller.channel.handleTimeout(instant(now)), now);
    if (callee.isDue(calleeTime(now))) {
      perform('callee', callee.channel.handleTimeout(calleeTime(now)), now);
    }
  }
  const result = { caller: caller.channel.statistics(), callee: callee.channel.statistics() };
  caller.free();
  callee.free();
  return { ...result, recording: concatenated(heard) };
}

async function createEnd(
  { hasForwardErrorCorrection = true, damage = (decoder) => decoder }: VirtualCallOptions,
  { sampleRate, ssrc }: { sampleRate: OpusSampleRate; ssrc: number },
): Promise<{ channel: VoiceChannel; isDue: (now: Instant) => boolean; free: () => void }> {
  const encoder = await libopus.createEncoder({
    sampleRate,
    bitrateBps: 32_000,
    complexity: 5,
    hasForwardErrorCorrection,
    expectedLossPercent: 5,
  });
  const decoder = await libopus.createDecoder({ sampleRate });
  const channel = new VoiceChannel(
    // close to the wrap-around, so that every call crosses it
    {
      encoder,
      decoder: damage(decoder),
      sampleRate,
      ssrc,
      firstSequenceNumber: 0xfff0,
      firstTimestamp: 0xffffff00,
      hasCopies: hasForwardErrorCorrection,
    },
    instant(0),
  );
  const isDue = (now: Instant): boolean => (channel.nextTimeoutAt() ?? Infinity) <= now;
  const free = (): void => {
    encoder.free();
    decoder.free();
  };
  return { channel, isDue, free };
}

/** When each copy of a packet sent at `now` arrives. */
function impairment(network: VirtualNetwork): (now: number) => number[] {
  const { delayMs = 20, jitterMs = 0, loss = 0, duplicates = 0, extraDelayMs = () => 0 } = network;
  const random = seeded(network.seed ?? 1);
  return (now) => {
    const arrival = (): number => now + delayMs + random() * jitterMs + extraDelayMs(now);
    const arrivals = random() < loss ? [] : [arrival()];
    return random() < duplicates ? [...arrivals, arrival()] : arrivals;
  };
}

function concatenated(frames: readonly Int16Array[]): Int16Array {
  const all = new Int16Array(frames.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const samples of frames) {
    all.set(samples, at);
    at += samples.length;
  }
  return all;
}
