import { describe, expect, it } from '@jest/globals';
import { instant } from '@parley/nat';
import type { ClientClock } from '../client/client-clock.ts';
import { deferred } from '../session/deferred.ts';
import type { Session } from '../session/session.ts';
import { libopus } from '../voice/opus-codec.libopus.ts';
import type { OpusCodec } from '../voice/opus-codec.ts';
import { CallVoice } from './call-voice.ts';

describe('CallVoice', () => {
  it('says how much came before the codec was ready that there was no room for', async () => {
    const isReady = deferred<undefined>();
    const codec: OpusCodec = {
      createEncoder: async (options) => {
        await isReady.promise;
        return libopus.createEncoder(options);
      },
      createDecoder: (options) => libopus.createDecoder(options),
    };
    const listeners = new Set<(bytes: Uint8Array) => void>();
    const session = {
      sendDatagram: () => true,
      onDatagram: (listener: (bytes: Uint8Array) => void) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    } as unknown as Session;
    const clock = { monotonic: () => instant(0) } as unknown as ClientClock;
    const voice = new CallVoice(codec, clock, {});

    const starting = voice.start(session, (thrown) => {
      throw thrown;
    });
    for (let count = 0; count < 107; count += 1) {
      for (const listener of listeners) listener(Uint8Array.of(1, 2, 3));
    }
    isReady.resolve(undefined);
    await starting;

    expect(voice.statistics()?.dropped).toEqual({ 'not-rtp': 100, 'codec-not-ready': 7 });
    voice.stop();
  });
});
