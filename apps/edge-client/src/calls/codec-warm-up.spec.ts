import { describe, expect, it } from '@jest/globals';
import { processClock } from '../client/client-clock.ts';
import { edgeError } from '../errors.ts';
import type { Sessions } from '../rendezvous/sessions.ts';
import type { OpusCodec } from '../voice/opus-codec.ts';
import { Calls, type CallsOptions } from './calls.ts';
import { warmUp } from './codec-warm-up.ts';

/** A codec that codes nothing and counts what it is asked for. */
function countingCodec(fails: () => boolean) {
  const counts = { encoders: 0, frames: 0, freed: 0 };
  const free = () => {
    counts.freed += 1;
  };
  const codec: OpusCodec = {
    createEncoder: () => {
      counts.encoders += 1;
      if (fails()) return Promise.reject(edgeError('EDGE_VOICE_FAILED'));
      const encode = () => {
        counts.frames += 1;
        return new Uint8Array(1);
      };
      return Promise.resolve({ encode, setExpectedLossPercent: () => undefined, free });
    },
    createDecoder: () => {
      const nothing = () => new Int16Array(1);
      return Promise.resolve({ decode: nothing, recover: nothing, conceal: nothing, free });
    },
  };
  return { codec, counts };
}

describe('warmUp', () => {
  it('codes some frames once, however many calls ring, and leaves nothing behind', async () => {
    const { codec, counts } = countingCodec(() => false);

    await Promise.all([warmUp(codec, 16_000), warmUp(codec, 16_000)]);
    await warmUp(codec, 48_000);

    expect(counts).toEqual({ encoders: 1, frames: 40, freed: 2 });
  });

  it('tries again after a failure', async () => {
    let isBroken = true;
    const { codec, counts } = countingCodec(() => isBroken);
    await expect(warmUp(codec, 16_000)).rejects.toMatchObject({ code: 'EDGE_VOICE_FAILED' });
    isBroken = false;

    await warmUp(codec, 16_000);

    expect(counts.encoders).toBe(2);
  });
});

describe('Calls', () => {
  function callsWith(codec: OpusCodec): Calls {
    const nothing = () => () => undefined;
    const signalling = {
      hasCaughtUp: true,
      onEvent: nothing,
      onCaughtUp: nothing,
      onSignedInAnew: nothing,
      onEventsLost: nothing,
    };
    return new Calls({
      signalling: signalling as unknown as CallsOptions['signalling'],
      sessions: { on: nothing } as unknown as Sessions,
      clock: processClock,
      codec,
      serverNow: () => 0,
    });
  }

  it.each([
    ['a listener', (calls: Calls) => void calls.on('incoming', () => undefined)],
    ['an iterator', (calls: Calls) => void calls.incoming()],
  ])('gets the codec ready as soon as there is %s for calls', async (_what, expectCalls) => {
    const { codec, counts } = countingCodec(() => false);
    const calls = callsWith(codec);
    calls.on('recorded', () => undefined);
    expect(counts.encoders).toBe(0);

    expectCalls(calls);

    expect(counts.encoders).toBe(1);
    await warmUp(codec, 16_000);
    expect(counts).toEqual({ encoders: 1, frames: 40, freed: 2 });
  });

  it('takes calls with a codec that does not load: who answers hears of it', async () => {
    const { codec, counts } = countingCodec(() => true);

    callsWith(codec).on('incoming', () => undefined);

    await expect(warmUp(codec, 16_000)).rejects.toMatchObject({ code: 'EDGE_VOICE_FAILED' });
    expect(counts.frames).toBe(0);
  });
});
