import { setImmediate } from 'node:timers/promises';
import type { OpusCodec } from '../voice/opus-codec.ts';
import { samplesPerFrame, type OpusSampleRate } from '../voice/voice-format.ts';

/**
 * By then the machine code of the inner loops is there. Compiling it takes a third of a second of processor time, which on a busy
 * machine is missing for the first words of a call.
 */
const FRAMES = 40;

/** Every so many frames one is concealed or recovered, so that the first loss of a call is no slower than the next one. */
const LOSES_EVERY = 8;

const warm = new WeakMap<OpusCodec, Promise<void>>();

/** Codes some sound that nobody hears: once per codec and process, in turns that leave room for everything else. */
export function warmUp(codec: OpusCodec, sampleRate: OpusSampleRate): Promise<void> {
  const known = warm.get(codec);
  if (known) return known;
  const warming = run(codec, sampleRate);
  warm.set(codec, warming);
  // What failed may work the next time.
  warming.catch(() => warm.delete(codec));
  return warming;
}

async function run(codec: OpusCodec, sampleRate: OpusSampleRate): Promise<void> {
  const encoder = await codec.createEncoder({
    sampleRate,
    bitrateBps: 32_000,
    complexity: 5,
    hasForwardErrorCorrection: true,
    expectedLossPercent: 5,
  });
  const decoder = await codec.createDecoder({ sampleRate });
  const frame = new Int16Array(samplesPerFrame(sampleRate));
  for (let number = 0; number < FRAMES; number += 1) {
    frame.forEach((_, at) => (frame[at] = 8000 * Math.sin((at * (number + 1)) / 9)));
    const packet = encoder.encode(frame);
    if (number % LOSES_EVERY === LOSES_EVERY - 1) {
      decoder.conceal();
      decoder.recover(packet);
    }
    decoder.decode(packet);
    await setImmediate();
  }
  encoder.free();
  decoder.free();
}
