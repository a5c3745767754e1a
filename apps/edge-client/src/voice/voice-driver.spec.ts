import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { instant } from '@parley/nat';
import { libopus } from './opus-codec.libopus.ts';
import { classifyDatagram } from './rtp-packet.ts';
import { VoiceDriver, type VoiceDatagrams, type VoiceDriverOptions } from './voice-driver.ts';
import { WavSink, WavSource } from './wav-audio.ts';
import { decodeWav, encodeWav } from './wav-file.ts';

const RATE = 16_000;

/** Two ends whose datagrams arrive at once. */
function joined(): [VoiceDatagrams, VoiceDatagrams, Uint8Array[]] {
  const seen: Uint8Array[] = [];
  const listeners: [Set<(bytes: Uint8Array) => void>, Set<(bytes: Uint8Array) => void>] = [
    new Set(),
    new Set(),
  ];
  const end = (own: 0 | 1, other: 0 | 1): VoiceDatagrams => ({
    sendDatagram: (bytes) => {
      seen.push(bytes);
      for (const listener of listeners[other]) listener(bytes);
      return true;
    },
    onDatagram: (listener) => {
      listeners[own].add(listener);
      return () => listeners[own].delete(listener);
    },
  });
  return [end(0, 1), end(1, 0), seen];
}

function tone(seconds: number, rate = RATE): Int16Array {
  return Int16Array.from({ length: seconds * rate }, (_, at) =>
    Math.round(10_000 * Math.sin((2 * Math.PI * 440 * at) / rate)),
  );
}

function loudness(samples: Int16Array): number {
  return Math.sqrt(samples.reduce((sum, sample) => sum + sample ** 2, 0) / samples.length);
}

let now: number;
const started: VoiceDriver[] = [];
const failures: unknown[] = [];

function start(
  options: Partial<VoiceDriverOptions> & Pick<VoiceDriverOptions, 'datagrams'>,
): Promise<VoiceDriver> {
  const clock = { monotonic: () => instant(now) };
  return VoiceDriver.start({
    codec: libopus,
    onError: (error) => failures.push(error),
    clock,
    ...options,
  }).then((driver) => {
    started.push(driver);
    return driver;
  });
}

function advance(milliseconds: number): void {
  for (let passed = 0; passed < milliseconds; passed += 5) {
    now += 5;
    jest.advanceTimersByTime(5);
  }
}

beforeEach(() => {
  now = 1_000;
  failures.length = 0;
  jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate'] });
});

afterEach(() => {
  for (const driver of started.splice(0)) driver.stop();
  jest.useRealTimers();
});

describe('VoiceDriver', () => {
  it('plays a file into a call and records it at the other end', async () => {
    const [here, there] = joined();
    const source = new WavSource(encodeWav({ sampleRate: RATE, samples: tone(1) }));
    const sink = new WavSink(RATE);
    await start({ datagrams: there, sink });
    await start({ datagrams: here, source });

    advance(1_000);

    const recording = decodeWav(sink.toFile());
    expect(source.hasEnded).toBe(true);
    expect(recording.ok && recording.audio.samples.length).toBeGreaterThan(0.85 * RATE);
    expect(loudness(recording.ok ? recording.audio.samples : new Int16Array(1))).toBeGreaterThan(5_000);
  });

  it('sends silence when muted, and reads the source on', async () => {
    const [here, there] = joined();
    const source = new WavSource(encodeWav({ sampleRate: RATE, samples: tone(1) }));
    const sink = new WavSink(RATE);
    await start({ datagrams: there, sink });
    const caller = await start({ datagrams: here, source });
    caller.isMuted = true;

    advance(1_000);

    const recording = decodeWav(sink.toFile());
    expect(source.hasEnded).toBe(true);
    expect(loudness(recording.ok ? recording.audio.samples.subarray(RATE / 2) : tone(1))).toBeLessThan(50);
  });

  it('keeps one timer, and nothing happens after stop', async () => {
    const [here, , seen] = joined();
    const driver = await start({ datagrams: here });
    advance(200);
    expect(jest.getTimerCount()).toBe(1);
    const before = seen.length;

    driver.stop();
    driver.stop();
    advance(200);

    expect(before).toBeGreaterThanOrEqual(10);
    expect(jest.getTimerCount()).toBe(0);
    expect(seen).toHaveLength(before);
    expect(driver.statistics().packetsSent).toBe(before);
  });

  it('reads what waits in the sockets before it makes up for a stall', async () => {
    const packets: Uint8Array[] = [];
    const caller = await start({
      datagrams: { sendDatagram: (bytes) => packets.push(bytes) > 0, onDatagram: () => () => undefined },
    });
    advance(1_300);
    caller.stop();
    const voice = packets.filter((bytes) => classifyDatagram(bytes) === 'rtp');
    let read: (bytes: Uint8Array) => void = () => undefined;
    const callee = await start({
      datagrams: {
        sendDatagram: () => true,
        onDatagram: (listener) => {
          read = listener;
          return () => undefined;
        },
      },
    });
    for (let frames = 0; frames < 50; frames += 1) {
      read(voice.shift()!);
      advance(20);
    }
    const before = callee.statistics();

    now += 300;
    setImmediate(() => {
      for (const bytes of voice.splice(0, 15)) read(bytes);
    });
    jest.advanceTimersByTime(20);
    for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));

    const after = callee.statistics();
    expect(after.framesPlayed - before.framesPlayed).toBeGreaterThanOrEqual(14);
    expect(after).toMatchObject({
      framesConcealed: before.framesConcealed,
      packetsLate: 0,
      framesStalled: 0,
    });
  });

  it('counts what the session does not take', async () => {
    const driver = await start({
      datagrams: { sendDatagram: () => false, onDatagram: () => () => undefined },
    });

    advance(100);

    expect(driver.refused).toBe(driver.statistics().packetsSent);
    expect(driver.refused).toBeGreaterThan(3);
  });

  it('stops and tells when the code of the app throws', async () => {
    const [here, there] = joined();
    const failure = new TypeError('the disk is full');
    const fail = (): void => {
      throw failure;
    };
    await start({ datagrams: there });
    const driver = await start({ datagrams: here, sink: { write: fail } });

    advance(300);

    expect(failures).toEqual([failure]);
    const { packetsSent } = driver.statistics();
    advance(100);
    expect(driver.statistics().packetsSent).toBe(packetsSent);
  });

  it.each([{ bitrateBps: 5_999 }, { bitrateBps: Number.NaN }, { complexity: 11 }])(
    'refuses %j',
    async (option) => {
      const [here] = joined();

      await expect(start({ datagrams: here, ...option })).rejects.toMatchObject({
        code: 'EDGE_OPTIONS_INVALID',
      });
    },
  );

  it('begins each stream at another place', async () => {
    const [here, there, seen] = joined();
    await start({ datagrams: here });
    await start({ datagrams: there });

    const first = seen
      .filter((bytes) => classifyDatagram(bytes) === 'rtp')
      .map((bytes) => bytes.subarray(2, 12));

    expect(Buffer.from(first[0]!)).not.toEqual(Buffer.from(first[1]!));
  });
});

describe('WAV audio', () => {
  it('takes a file at a rate of Opus as it is, and others resampled', () => {
    const native = new WavSource(encodeWav({ sampleRate: 48_000, samples: tone(0.5, 48_000) }));
    const other = new WavSource(encodeWav({ sampleRate: 44_100, samples: tone(0.5, 44_100) }));

    expect(native.sampleRate).toBe(48_000);
    expect(other.sampleRate).toBe(RATE);
    expect(other.durationMs).toBeCloseTo(500, 0);
    const expected = tone(0.5);
    other.read(); // the file begins and ends abruptly, which no filter follows
    const frames = Array.from({ length: 20 }, () => other.read()!);
    const worst = Math.max(
      ...frames.flatMap((frame, n) =>
        Array.from(frame, (sample, k) => Math.abs(sample - expected[(n + 1) * 320 + k]!)),
      ),
    );
    expect(worst).toBeLessThan(100); // 1% of the tone
  });

  it('resamples without folding what the lower rate cannot hold', () => {
    const high = Int16Array.from({ length: 44_100 }, (_, at) =>
      Math.round(10_000 * Math.sin((2 * Math.PI * 15_000 * at) / 44_100)),
    );

    const source = new WavSource(encodeWav({ sampleRate: 44_100, samples: high }));

    for (let n = 0; n < 5; n += 1) source.read();
    expect(loudness(source.read()!)).toBeLessThan(50);
  });

  it('refuses what is no WAV file, and fills up the last frame', () => {
    expect(() => new WavSource(Uint8Array.of(1, 2, 3))).toThrow(
      expect.objectContaining({ code: 'EDGE_OPTIONS_INVALID' }),
    );
    const source = new WavSource(encodeWav({ sampleRate: RATE, samples: Int16Array.of(1, 2, 3) }));

    expect([...source.read()!.subarray(0, 5)]).toEqual([1, 2, 3, 0, 0]);
    expect(source.read()).toBeUndefined();
  });

  it('keeps no more than its limit', () => {
    const sink = new WavSink(RATE, 0.04);
    for (let n = 0; n < 5; n += 1) sink.write(new Int16Array(320));

    expect(sink.framesNotKept).toBe(3);
    expect(sink.toFile()).toHaveLength(44 + 2 * 640);
  });
});
