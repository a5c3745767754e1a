import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { instant } from '@parley/nat';
import fc from 'fast-check';
import { libopus } from './opus-codec.libopus.ts';
import type { VoiceDecoder, VoiceEncoder } from './opus-codec.ts';
import { decodeRtcp, encodeRtcpReport } from './rtcp-packet.ts';
import { encodeRedundantPayload } from './redundant-payload.ts';
import { classifyDatagram, decodeRtpPacket, encodeRtpPacket } from './rtp-packet.ts';
import { VoiceChannel, type VoiceOutput } from './voice-channel.ts';

const SAMPLE_RATE = 16_000;
const OWN_SSRC = 7;
const PEER_SSRC = 9;
const FRAME = Int16Array.from({ length: 320 }, (_, at) => 8_000 * Math.sin(at / 5));

let encoder: VoiceEncoder;
let decoder: VoiceDecoder;
let expectedLoss: number[];
let channel: VoiceChannel;

beforeEach(async () => {
  expectedLoss = [];
  encoder = await libopus.createEncoder({
    sampleRate: SAMPLE_RATE,
    bitrateBps: 32_000,
    complexity: 0,
    hasForwardErrorCorrection: true,
    expectedLossPercent: 5,
  });
  decoder = await libopus.createDecoder({ sampleRate: SAMPLE_RATE });
  const observed: VoiceEncoder = {
    encode: (pcm) => encoder.encode(pcm),
    setExpectedLossPercent: (percent) => {
      expectedLoss.push(percent);
      encoder.setExpectedLossPercent(percent);
    },
    free: () => undefined,
  };
  channel = new VoiceChannel(
    {
      encoder: observed,
      decoder,
      sampleRate: SAMPLE_RATE,
      ssrc: OWN_SSRC,
      firstSequenceNumber: 0xffff,
      firstTimestamp: 0xfffffc40,
    },
    instant(0),
  );
});

afterEach(() => {
  encoder.free();
  decoder.free();
});

function kinds(outputs: readonly VoiceOutput[]): string[] {
  return outputs.map(({ kind }) => kind);
}

function sent(outputs: readonly VoiceOutput[]): Uint8Array[] {
  return outputs.flatMap((output) => (output.kind === 'send' ? [output.bytes] : []));
}

function voice(
  index: number,
  rest: { payload?: Uint8Array; ssrc?: number; payloadType?: number } = {},
): Uint8Array {
  return encodeRtpPacket({
    marker: false,
    payloadType: 111,
    sequenceNumber: index,
    timestamp: index * 960,
    ssrc: PEER_SSRC,
    payload: encoder.encode(FRAME),
    ...rest,
  });
}

function receive(bytes: Uint8Array, at = 0): readonly VoiceOutput[] {
  return channel.handle({ kind: 'datagram', bytes }, instant(at));
}

const block = {
  ssrc: OWN_SSRC,
  fractionLost: 0,
  cumulativeLost: 0,
  highestSequence: 0,
  jitter: 0,
  lastSenderReport: 0,
  delaySinceLastSenderReport: 0,
};

describe('VoiceChannel › sending', () => {
  it('asks for a frame every 20 ms and makes up for a late timer', () => {
    expect(kinds(channel.handleTimeout(instant(0)))).toEqual(['capture']);
    expect(channel.nextTimeoutAt()).toBe(20);
    expect(kinds(channel.handleTimeout(instant(75)))).toEqual(['capture', 'capture', 'capture']);
    expect(channel.nextTimeoutAt()).toBe(80);
  });

  it('gives up the time of a process that slept for more than a second', () => {
    channel.handleTimeout(instant(0));

    const outputs = channel.handleTimeout(instant(60_000));

    expect(kinds(outputs)).toEqual(['capture', 'send']);
    expect(channel.nextTimeoutAt()).toBe(60_020);
  });

  it('learns no jitter from datagrams that waited while this process was busy', () => {
    for (let index = 0; index < 50; index += 1) {
      receive(voice(index), index * 20 + 5);
      channel.handleTimeout(instant(index * 20 + 20));
    }
    const { targetDelayMs, framesConcealed } = channel.statistics();

    for (let index = 50; index < 65; index += 1) receive(voice(index), 1_310);
    const outputs = channel.handleTimeout(instant(1_310));

    expect(kinds(outputs).filter((kind) => kind === 'play')).toHaveLength(15);
    expect(channel.statistics()).toMatchObject({ targetDelayMs, framesConcealed, framesStalled: 0 });
  });

  it('numbers packets and counts time at 48 kHz across the wrap-around, the first one marked', () => {
    const packets = [0, 20].map((at) => {
      const [bytes] = sent(channel.handle({ kind: 'frame', pcm: FRAME }, instant(at)));
      return decodeRtpPacket(bytes!);
    });

    expect(packets).toMatchObject([
      { ok: true, packet: { marker: true, payloadType: 111, sequenceNumber: 0xffff, timestamp: 0xfffffc40 } },
      { ok: true, packet: { marker: false, payloadType: 111, sequenceNumber: 0, timestamp: 0 } },
    ]);
  });

  it('refuses a frame of another length', () => {
    expect(() => channel.handle({ kind: 'frame', pcm: new Int16Array(319) }, instant(0))).toThrow(
      expect.objectContaining({ code: 'EDGE_OPTIONS_INVALID' }),
    );
  });
});

describe('VoiceChannel › copies', () => {
  it('plays the copy of a frame that was lost', () => {
    const pauses = Array.from({ length: 12 }, (_, index) => ({
      index,
      frame: encoder.encode(new Int16Array(320)),
    }));
    for (const { index, frame } of pauses) {
      const before = pauses[index - 1];
      const payload = before
        ? encodeRedundantPayload(frame, { ticksBefore: 960, payload: before.frame })
        : frame;
      if (index !== 6) receive(voice(index, { payload, payloadType: before ? 112 : 111 }), index * 20);
      channel.handleTimeout(instant(index * 20));
    }

    expect(channel.statistics()).toMatchObject({
      packetsLost: 1,
      framesRecovered: 1,
      framesConcealed: 0,
      unrecoveredLoss: 0,
      dropped: {},
    });
  });
});

describe('VoiceChannel › reports', () => {
  it('reports every second: as a receiver before it sends, as a sender afterwards', () => {
    const first = sent(channel.handleTimeout(instant(1_000)));
    channel.handle({ kind: 'frame', pcm: FRAME }, instant(1_010));
    receive(voice(0), 1_020);
    const second = sent(channel.handleTimeout(instant(2_000)));

    expect(first.map(classifyDatagram)).toEqual(['rtcp']);
    expect(decodeRtcp(first[0]!)).toEqual({ ok: true, reports: [{ ssrc: OWN_SSRC, blocks: [] }] });
    expect(decodeRtcp(second[0]!)).toMatchObject({
      reports: [
        {
          ssrc: OWN_SSRC,
          sender: { ntpSeconds: 2, packetCount: 1 },
          blocks: [{ ssrc: PEER_SSRC, fractionLost: 0 }],
        },
      ],
    });
  });

  it('reports the fraction lost since the last report, and the jitter', () => {
    for (const index of [0, 1, 2, 3, 5, 7]) receive(voice(index), index * 20 + (index % 2) * 10);

    const [bytes] = sent(channel.handleTimeout(instant(1_000)));
    const report = decodeRtcp(bytes!);

    expect(report).toMatchObject({
      reports: [{ blocks: [{ fractionLost: 64, cumulativeLost: 2, highestSequence: 7 }] }],
    });
    const jitter = report.ok ? report.reports[0]!.blocks[0]!.jitter : 0;
    expect(jitter).toBeGreaterThan(48); // 1 ms
    expect(jitter).toBeLessThan(480);
  });

  it('measures the round trip, less the time that the other end took', () => {
    channel.handle({ kind: 'frame', pcm: FRAME }, instant(990));
    const [bytes] = sent(channel.handleTimeout(instant(1_000)));
    const report = decodeRtcp(bytes!);
    const { ntpSeconds, ntpFraction } = report.ok
      ? report.reports[0]!.sender!
      : { ntpSeconds: 0, ntpFraction: 0 };
    const lastSenderReport = ((ntpSeconds << 16) | (ntpFraction >>> 16)) >>> 0;
    const answer = { ...block, lastSenderReport, delaySinceLastSenderReport: 65_536 / 2 };

    receive(encodeRtcpReport({ ssrc: PEER_SSRC, blocks: [answer] }), 1_580);

    expect(channel.statistics().roundTripMs).toBeCloseTo(80, 1);
  });

  it('sends more redundancy as soon as loss is reported, and less again slowly', () => {
    const report = (percent: number): void => {
      const fractionLost = Math.floor(percent * 2.56);
      receive(encodeRtcpReport({ ssrc: PEER_SSRC, blocks: [{ ...block, fractionLost }] }));
    };

    report(0);
    report(20);
    report(60);
    for (let count = 0; count < 40; count += 1) report(0);

    expect(expectedLoss.slice(0, 2)).toEqual([20, 30]);
    expect(expectedLoss.at(-1)).toBe(5);
    expect(expectedLoss.length).toBeGreaterThan(10);
  });

  it('does not believe a report on another stream, or a round trip of hours', () => {
    receive(encodeRtcpReport({ ssrc: PEER_SSRC, blocks: [{ ...block, ssrc: 1, fractionLost: 128 }] }));
    receive(encodeRtcpReport({ ssrc: PEER_SSRC, blocks: [{ ...block, lastSenderReport: 0x80000000 }] }));

    expect(expectedLoss).toEqual([]);
    expect(channel.statistics().roundTripMs).toBeUndefined();
  });
});

describe('VoiceChannel › bad input', () => {
  it.each([
    ['no RTP', () => Uint8Array.of(1, 2, 3), 'not-rtp'],
    ['half an RTP packet', () => voice(0).subarray(0, 8), 'too-short'],
    ['another payload type', () => voice(0, { payloadType: 96 }), 'unknown-payload-type'],
    [
      'copies that are cut off',
      () => voice(0, { payloadType: 112, payload: Uint8Array.of(0xef, 0) }),
      'bad-redundancy',
    ],
    ['Opus of another duration', () => voice(0, { payload: Uint8Array.of(0, 1, 2) }), 'not-20-ms-opus'],
    ['a report that is cut off', () => Uint8Array.of(0x80, 201, 0, 9), 'rtcp-bad-length'],
  ])('drops and counts %s', (_what, bytes, reason) => {
    expect(receive(bytes())).toEqual([{ kind: 'drop', reason }]);
    expect(channel.statistics()).toMatchObject({ packetsReceived: 0, dropped: { [reason]: 1 } });
  });

  it('keeps to one stream and to its frame grid', () => {
    receive(voice(0));

    expect(receive(voice(1, { ssrc: 1_000 }))).toEqual([{ kind: 'drop', reason: 'foreign-ssrc' }]);
    const shifted = voice(1);
    shifted[7] = (shifted[7]! + 1) & 0xff;
    expect(receive(shifted)).toEqual([{ kind: 'drop', reason: 'off-the-frame-grid' }]);
    expect(receive(encodeRtcpReport({ ssrc: 1_000, blocks: [] }))).toEqual([
      { kind: 'drop', reason: 'rtcp-wrong-stream' },
    ]);
    expect(receive(voice(1))).toEqual([]);
  });

  it('follows another stream once the first has ended, as late packets of an earlier call would be one', () => {
    receive(voice(0), 0);
    receive(voice(1), 20);
    expect(receive(voice(500, { ssrc: 33 }), 500)).toEqual([{ kind: 'drop', reason: 'foreign-ssrc' }]);

    for (let index = 501; index < 520; index += 1) {
      const at = 600 + (index - 501) * 20;
      expect(receive(voice(index, { ssrc: 33 }), at)).toEqual([]);
      channel.handleTimeout(instant(at));
    }

    // the first packet of the new stream only shows that there is one
    expect(channel.statistics().framesPlayed).toBeGreaterThanOrEqual(14);
    const [bytes] = sent(channel.handleTimeout(instant(2_000)));
    expect(decodeRtcp(bytes!)).toMatchObject({ reports: [{ blocks: [{ ssrc: 33, cumulativeLost: 0 }] }] });
  });

  it('goes on playing whatever the payloads and datagrams hold', () => {
    const payloads = fc
      .tuple(fc.constantFrom(0x08, 0x48, 0x78, 0xf8), fc.uint8Array({ minLength: 1, maxLength: 100 }))
      .map(([toc, rest]) => Uint8Array.of(toc, ...rest));
    let index = 0;
    fc.assert(
      fc.property(payloads, fc.uint8Array({ maxLength: 60 }), (payload, noise) => {
        const at = index * 20;
        receive(voice(index, { payload }), at);
        receive(noise, at);
        index += 1;
        for (const output of channel.handleTimeout(instant(at))) {
          if (output.kind === 'play') expect(output.pcm).toHaveLength(320);
        }
      }),
      { numRuns: 300 },
    );

    expect(channel.statistics().framesPlayed).toBeGreaterThan(200);
  });

  it('has no score before anything was heard', () => {
    expect(channel.statistics()).toMatchObject({ mos: undefined, roundTripMs: undefined, bitrateBps: 0 });
  });
});
