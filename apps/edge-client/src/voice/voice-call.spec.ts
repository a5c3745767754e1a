import { beforeAll, describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { similarity } from './testing/signal-similarity.ts';
import { virtualCall, type VirtualCallResult, type VirtualNetwork } from './testing/virtual-call.ts';
import type { VoiceDecoder } from './opus-codec.ts';
import { samplesPerFrame } from './voice-format.ts';
import { decodeWav } from './wav-file.ts';

const SPEECH = new URL('../../../../tools/demo/media/voice.wav', import.meta.url);
const SAMPLE_RATE = 16_000;
const LOSSY: VirtualNetwork = { delayMs: 20, jitterMs: 30, loss: 0.05, duplicates: 0.02, seed: 5 };

let speech: Int16Array;

beforeAll(() => {
  const wav = decodeWav(readFileSync(SPEECH));
  if (!wav.ok || wav.audio.sampleRate !== SAMPLE_RATE) throw new TypeError('the sample is 16 kHz PCM');
  speech = wav.audio.samples;
});

/** What a call has to be like to pass; returns what it is not. */
function shortcomings({ recording, callee }: VirtualCallResult): string[] {
  const { correlation, holes } = similarity(speech, recording, {
    sampleRate: SAMPLE_RATE,
    maxShiftSeconds: 0.06,
  });
  const demands = {
    [`the recording correlates with what was played (${correlation})`]: correlation >= 0.92,
    [`nothing loud is missing from the recording (${holes})`]: holes <= 0.01,
    [`the score is at least 3.6 (${callee.mos ?? 0})`]: (callee.mos ?? 0) >= 3.6,
    [`nearly all losses are recovered (${callee.unrecoveredLoss})`]: callee.unrecoveredLoss < 0.01,
  };
  return Object.entries(demands).flatMap(([demand, isMet]) => (isMet ? [] : [demand.replace(/ \(.*/, '')]));
}

function playing(network: VirtualNetwork, rest: object = {}): Promise<VirtualCallResult> {
  return virtualCall({ samples: speech, sampleRate: SAMPLE_RATE, network, ...rest });
}

describe('A call over a virtual network', () => {
  it('is heard as it was played without loss', async () => {
    const call = await playing({ delayMs: 20 });

    expect(shortcomings(call)).toEqual([]);
    expect(call.callee).toMatchObject({
      framesConcealed: 0,
      packetsLost: 0,
      unrecoveredLoss: 0,
      dropped: {},
    });
    expect(call.callee.mos).toBeGreaterThan(4.1);
    expect(call.callee.roundTripMs).toBeGreaterThan(35);
    expect(call.callee.roundTripMs).toBeLessThan(45);
    expect(call.callee.delayMs).toBeLessThan(100);
  }, 30_000);

  it('is heard as it was played with 30 ms of jitter', async () => {
    const call = await playing({ delayMs: 20, jitterMs: 30 });

    expect(shortcomings(call)).toEqual([]);
    expect(call.callee.packetsLate).toBeLessThan(12);
    expect(call.callee.jitterMs).toBeGreaterThan(5);
  }, 30_000);

  it.each([0, 15, 30])(
    'scores 3.6 or more with 5%% loss and %d ms of jitter, because nearly all losses are recovered',
    async (jitterMs) => {
      const call = await playing({ ...LOSSY, jitterMs });

      expect(shortcomings(call)).toEqual([]);
      expect(call.callee.packetsLost).toBeGreaterThan(15);
      // what is not recovered is the first of two losses in a row
      expect(call.callee.framesRecovered).toBeGreaterThan(3 * call.callee.framesConcealed);
      expect(call.callee.packetsDuplicate).toBeGreaterThan(0);
      expect(call.caller.remoteLoss).toBeGreaterThan(0);
    },
    30_000,
  );

  it('fails the same demands without redundancy: this test can fail', async () => {
    const call = await playing(LOSSY, { hasForwardErrorCorrection: false });

    expect(call.callee.framesRecovered).toBe(0);
    expect(shortcomings(call)).toEqual(['the score is at least 3.6', 'nearly all losses are recovered']);
  }, 30_000);

  it('fails the same demands when the receiver neither recovers nor conceals: this test can fail', async () => {
    const hole = (): Int16Array => new Int16Array(samplesPerFrame(SAMPLE_RATE));
    const damage = (decoder: VoiceDecoder): VoiceDecoder => ({
      decode: (packet) => decoder.decode(packet),
      recover: hole,
      conceal: hole,
      free: () => decoder.free(),
    });

    const call = await playing(LOSSY, { damage });

    expect(shortcomings(call)).toEqual([
      'the recording correlates with what was played',
      'nothing loud is missing from the recording',
    ]);
  }, 30_000);

  it('lets the two ends run at different rates', async () => {
    const call = await playing({ delayMs: 20 }, { calleeSampleRate: 48_000 });
    const everyThird = call.recording.filter((_, at) => at % 3 === 0);

    const { correlation } = similarity(speech, everyThird, {
      sampleRate: SAMPLE_RATE,
      maxShiftSeconds: 0.06,
    });

    expect(correlation).toBeGreaterThan(0.9);
  }, 30_000);
});
