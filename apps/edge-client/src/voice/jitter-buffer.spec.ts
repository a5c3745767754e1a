import { describe, expect, it } from '@jest/globals';
import { instant } from '@parley/nat';
import fc from 'fast-check';
import { seeded } from '../session/testing/impaired-path.ts';
import { CAPACITY_FRAMES, JitterBuffer } from './jitter-buffer.ts';
import type { PlayoutDecision } from './playout-decision.ts';
import { MAX_TARGET_DELAY_MS } from './playout-delay.ts';

const SILK_20_MS = 9 << 3;

/** A payload that tells its number, with or without a copy of the frame before it. */
function payload(index: number, hasCopy = true): Uint8Array {
  return Uint8Array.of(SILK_20_MS, hasCopy ? 0x40 : 0, index & 0xff, (index >> 8) & 0xff);
}

function numberOf(bytes: Uint8Array): number {
  return bytes[2]! | (bytes[3]! << 8);
}

function summary(decision: PlayoutDecision): string {
  switch (decision.kind) {
    case 'play':
      return `play ${numberOf(decision.payload)}`;
    case 'recover':
      return `recover before ${numberOf(decision.next)}`;
    case 'restore':
      return `restore ${numberOf(decision.payload)}`;
    case 'merge':
      return `merge ${decision.payloads.map(numberOf).join('+')}`;
    default:
      return decision.kind;
  }
}

interface Arrival {
  readonly index: number;
  readonly at: number;
  readonly hasCopy?: boolean;
}

/** Stores what has arrived and decides every 20 ms until `until`; returns the decisions as text, without the idle beginning. */
function play(buffer: JitterBuffer, arrivals: readonly Arrival[], until: number, from = 0): string[] {
  const waiting = [...arrivals].sort((a, b) => a.at - b.at);
  const decisions: string[] = [];
  for (let now = from; now < until; now += 20) {
    for (let next = waiting[0]; next !== undefined && next.at <= now; next = waiting[0]) {
      waiting.shift();
      buffer.store(next.index, payload(next.index, next.hasCopy ?? true), instant(next.at));
    }
    const decision = summary(buffer.decide(instant(now)));
    if (decision !== 'idle') decisions.push(decision);
  }
  return decisions;
}

function steady(count: number, delayMs: (index: number) => number = () => 5): Arrival[] {
  return Array.from({ length: count }, (_, index) => ({ index, at: index * 20 + delayMs(index) }));
}

function plays(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, offset) => `play ${from + offset}`);
}

function missed(decisions: readonly string[]): number {
  return decisions.filter((decision) => decision === 'conceal' || /^re(cover|store)/.test(decision)).length;
}

describe('JitterBuffer › order', () => {
  it('plays a steady stream frame by frame after its first delay', () => {
    expect(play(new JitterBuffer(), steady(10), 260)).toEqual([...plays(0, 10)]);
  });

  it('puts packets that overtook each other back in order', () => {
    const arrivals = steady(10);
    const swapped = arrivals.map(({ index, at }) => ({ index, at: at + (index === 4 ? 30 : 0) }));

    const decisions = play(new JitterBuffer(), swapped, 260);

    expect(decisions).toEqual([...plays(0, 10)]);
  });

  it('plays a frame once, however often its packet comes', () => {
    const buffer = new JitterBuffer();
    const twice = steady(10).flatMap((arrival) => [arrival, { ...arrival, at: arrival.at + 30 }]);

    const decisions = play(buffer, twice, 260);

    expect(decisions).toEqual([...plays(0, 10)]);
    expect(buffer.counts).toMatchObject({ played: 10, duplicate: 10, late: 0 });
  });

  it('counts a packet that comes after its frame was due', () => {
    const buffer = new JitterBuffer();
    const late = steady(20).map(({ index, at }) => ({
      index,
      at: at + (index === 12 ? 150 : 0),
      hasCopy: false,
    }));

    const decisions = play(buffer, late, 460);

    expect(decisions.slice(0, 14)).toEqual([...plays(0, 12), 'conceal', 'play 13']);
    expect(buffer.counts).toMatchObject({ late: 1, lost: 1, lossRuns: 1 });
  });
});

describe('JitterBuffer › loss', () => {
  it('recovers a lost frame from the copy in the next packet', () => {
    const buffer = new JitterBuffer();
    const arrivals = steady(10).filter(({ index }) => index !== 5);

    const decisions = play(buffer, arrivals, 260);

    expect(decisions).toEqual([...plays(0, 5), 'recover before 6', ...plays(6, 10)]);
    expect(buffer.counts).toMatchObject({ recovered: 1, lost: 0 });
  });

  it('conceals what no copy covers: the first of two lost frames, or where the next packet has none', () => {
    const two = steady(10).filter(({ index }) => index !== 5 && index !== 6);
    const bare = steady(10)
      .filter(({ index }) => index !== 5)
      .map((arrival) => ({ ...arrival, hasCopy: false }));

    const first = new JitterBuffer();
    const second = new JitterBuffer();

    expect(play(first, two, 260)).toEqual([...plays(0, 5), 'conceal', 'recover before 7', ...plays(7, 10)]);
    expect(play(second, bare, 260)).toEqual([...plays(0, 5), 'conceal', ...plays(6, 10)]);
    expect(first.counts).toMatchObject({ lost: 1, lossRuns: 1, recovered: 1 });
    expect(second.counts).toMatchObject({ lost: 1, lossRuns: 1, recovered: 0 });
  });

  it('plays a copy that came with a later packet in place of the frame that did not come, and only then', () => {
    const buffer = new JitterBuffer();
    const bare = steady(10).map((arrival) => ({ ...arrival, hasCopy: false }));
    const upTo = (from: number, to: number) =>
      bare.filter(({ index }) => index >= from && index < to && index !== 5);

    const before = play(buffer, upTo(0, 6), 140);
    for (const index of [0, 5, 6, 1_000]) buffer.storeCopy(index, payload(index, false));
    const after = play(buffer, upTo(6, 10), 260, 140);

    expect([...before, ...after]).toEqual([...plays(0, 5), 'restore 5', ...plays(6, 10)]);
    expect(buffer.counts).toMatchObject({ played: 9, recovered: 1, lost: 0, late: 0, duplicate: 0 });
  });

  it('falls silent when nothing comes any more, and the end of a stream is no loss', () => {
    const buffer = new JitterBuffer();

    const decisions = play(buffer, steady(5), 1_000);

    expect(decisions.slice(0, 5)).toEqual([...plays(0, 5)]);
    expect(decisions.at(-1)).toBe('silence');
    expect(missed(decisions)).toBe(10);
    expect(buffer.counts).toMatchObject({ lost: 0, concealed: 10 });
  });

  it('counts an interruption as one run of loss once the stream goes on', () => {
    const buffer = new JitterBuffer();
    const arrivals = steady(100).filter(({ index }) => index < 20 || index >= 50);

    play(buffer, arrivals, 2_100);

    expect(buffer.counts).toMatchObject({ lost: 29, recovered: 1, lossRuns: 1, played: 70 });
  });
});

describe('JitterBuffer › delay', () => {
  it('waits as long as the jitter needs and no longer', () => {
    const random = seeded(7);
    const calm = new JitterBuffer();
    const rough = new JitterBuffer();

    play(
      calm,
      steady(500, () => 20 + random() * 4),
      10_000,
    );
    play(
      rough,
      steady(500, () => 20 + random() * 100),
      10_000,
    );

    expect(calm.targetDelayMs).toBe(20);
    expect(rough.targetDelayMs).toBeGreaterThan(85);
    expect(rough.targetDelayMs).toBeLessThanOrEqual(120);
    expect(rough.counts.late).toBeLessThan(25);
  });

  it('gains delay by inserted frames when jitter begins, and loses it by merged ones when it ends', () => {
    const random = seeded(3);
    const arrivals = steady(1_500, (index) => 20 + (index >= 300 && index < 600 ? random() * 150 : 0));
    const during = new JitterBuffer();
    const whole = new JitterBuffer();

    play(during, arrivals, 12_000);
    play(whole, arrivals, 30_000);

    expect(during.counts.inserted).toBeGreaterThanOrEqual(4);
    expect(during.counts.merged).toBeLessThanOrEqual(1);
    expect(whole.counts.merged).toBeGreaterThanOrEqual(4);
    expect(whole.targetDelayMs).toBe(20);
  });

  it.each([-200, 200])('follows a clock that is %d ppm off for an hour without loss', (ppm) => {
    const buffer = new JitterBuffer();
    const frames = 180_000;
    let at = 0;
    let missing = 0;
    let index = 0;
    for (let now = 0; index < frames; now += 20) {
      for (; at <= now && index < frames; at = 10 + index * 20 * (1 + ppm / 1_000_000)) {
        buffer.store(index, payload(index), instant(at));
        index += 1;
      }
      if (buffer.decide(instant(now)).kind === 'conceal') missing += 1;
    }

    const { inserted, merged, meanDelayMs } = buffer.counts;
    // 200 ppm of an hour are 720 ms: 36 frames
    expect(ppm > 0 ? inserted : merged).toBeGreaterThanOrEqual(30);
    expect(ppm > 0 ? inserted : merged).toBeLessThanOrEqual(40);
    expect(missing).toBeLessThan(5);
    expect(meanDelayMs).toBeLessThan(60);
  });

  it('moves with a path that becomes longer or shorter for good', () => {
    const buffer = new JitterBuffer();
    const arrivals = steady(3_000, (index) => (index >= 1_000 && index < 2_000 ? 700 : 20));

    play(buffer, arrivals, 60_200);

    // while the longer path was learnt; the shorter one costs nothing
    expect(buffer.counts.lost).toBeLessThan(50);
    expect(buffer.counts.played).toBe(3_000 - buffer.counts.lost);
    expect(buffer.targetDelayMs).toBe(20);
  });

  it('jumps to the present after the process has slept', () => {
    const buffer = new JitterBuffer();
    play(buffer, steady(50), 1_000);
    const rest = steady(600).slice(50);
    const heldBack = rest.map(({ index, at }) => ({ index, at: Math.max(at, 2_000) }));

    const decisions = play(buffer, heldBack, 12_000, 2_000);

    const first = decisions.find((decision) => decision.startsWith('play'));
    expect(Number(first?.slice(5))).toBeGreaterThan(75);
    expect(buffer.counts.skipped).toBeGreaterThan(20);
    expect(buffer.counts.lossRuns).toBe(1);
    expect(buffer.targetDelayMs).toBe(20);
    expect(decisions.at(-1)).toBe('play 597');
  });
});

/** The frames from `first` to before `next` come at once, when the one after them is sent. */
function stalled(arrivals: readonly Arrival[], first: number, next: number): Arrival[] {
  return arrivals.map((arrival) =>
    arrival.index >= first && arrival.index < next
      ? { index: arrival.index, at: next * 20 + 5, hasCopy: false }
      : arrival,
  );
}

function numbersOf(decisions: readonly string[]): number[] {
  return decisions.flatMap((decision) =>
    /^(play|merge) /.test(decision) ? (decision.match(/\d+/g) ?? []).map(Number) : [],
  );
}

describe('JitterBuffer › stalls', () => {
  it('waits for what a sender that was busy sends late, loses none of it, and soon has its old delay', () => {
    const buffer = new JitterBuffer();
    const arrivals = stalled(steady(400), 100, 115);

    const decisions = play(buffer, arrivals, 8_040);

    expect(numbersOf(decisions)).toEqual(Array.from({ length: 400 }, (_, index) => index));
    expect(buffer.counts).toMatchObject({ lost: 0, late: 0, lossRuns: 1 });
    expect(buffer.counts.interrupted).toBeGreaterThanOrEqual(12);
    expect(buffer.counts.interrupted).toBeLessThanOrEqual(15);
    expect(buffer.targetDelayMs).toBe(20);
    expect(buffer.counts.meanDelayMs).toBeLessThan(130);
  });

  it('forgets a bad beginning within two seconds', () => {
    const buffer = new JitterBuffer();
    const arrivals = stalled(steady(130), 1, 18);

    play(buffer, arrivals, 2_400);

    expect(buffer.counts.lost).toBe(0);
    expect(buffer.targetDelayMs).toBeLessThanOrEqual(120);
  });

  it('covers stalls that come again and again', () => {
    const buffer = new JitterBuffer();
    let arrivals = steady(1_000);
    for (let first = 20; first < 1_000; first += 20) arrivals = stalled(arrivals, first, first + 5);

    play(buffer, arrivals, 20_000);

    expect(buffer.targetDelayMs).toBeGreaterThanOrEqual(95);
    expect(buffer.counts.interrupted + buffer.counts.lost).toBeLessThan(15);
  });

  it('counts what nobody sent against what was concealed in its place: an outage costs its own time only', () => {
    const buffer = new JitterBuffer();
    const arrivals = steady(100).filter(({ index }) => index < 20 || index >= 30);

    const decisions = play(buffer, arrivals, 2_000);

    expect(buffer.counts.lost + buffer.counts.recovered).toBe(10);
    expect(buffer.counts).toMatchObject({ interrupted: 0, lossRuns: 1 });
    expect(missed(decisions)).toBe(10);
  });

  it('plays at once what came while this process was away, and learns no jitter from it', () => {
    const buffer = new JitterBuffer();
    play(buffer, steady(50), 1_001);
    const before = buffer.targetDelayMs;

    // nobody looked between 1,000 and 1,300
    for (let index = 50; index < 65; index += 1)
      buffer.store(index, payload(index), instant(1_300), instant(1_000));
    const decisions: string[] = [];
    for (let due = 1_020; due <= 1_300; due += 20)
      decisions.push(summary(buffer.decide(instant(due), instant(1_300))));

    expect(numbersOf(decisions)).toHaveLength(decisions.length);
    expect(buffer.targetDelayMs).toBe(before);
    expect(buffer.counts).toMatchObject({ concealed: 0, lost: 0, stalled: 0 });
    // what was played late was late for the listener
    expect(buffer.counts.meanDelayMs).toBeGreaterThan(60);
  });

  it('makes up for nothing when nothing is there: two processes of one machine that was away', () => {
    const buffer = new JitterBuffer();
    play(buffer, steady(50), 1_001);
    while (buffer.depth > 0) buffer.decide(instant(1_000));
    const { concealed } = buffer.counts;

    const decisions: string[] = [];
    for (let due = 1_020; due <= 1_300; due += 20)
      decisions.push(summary(buffer.decide(instant(due), instant(1_320))));
    const burst = steady(300).slice(50);
    const rest = play(
      buffer,
      burst.map(({ index, at }) => ({ index, at: Math.max(at, 1_325) })),
      6_040,
      1_320,
    );

    expect(new Set(decisions)).toEqual(new Set(['idle']));
    expect(buffer.counts).toMatchObject({ stalled: 15, lost: 0 });
    expect(buffer.counts.concealed - concealed).toBeLessThanOrEqual(1);
    expect(numbersOf(rest)).toEqual(Array.from({ length: 250 }, (_, index) => index + 50));
  });
});

describe('JitterBuffer › bounds', () => {
  it('refuses a frame out of nowhere, and follows a sender that begins anew', () => {
    const buffer = new JitterBuffer();
    play(buffer, steady(20), 500);

    expect(buffer.store(100_000, payload(0), instant(500))).toBe('out-of-window');
    expect(buffer.store(20, payload(20), instant(500))).toBe('stored');
    expect(buffer.store(100_000, payload(0), instant(520))).toBe('out-of-window');
    expect(buffer.store(100_001, payload(1), instant(540))).toBe('stored');
    expect(buffer.counts.restarts).toBe(1);
    expect(play(buffer, [{ index: 100_002, at: 560 }], 620, 540)).toEqual([
      'play 1',
      `play ${100_002 & 0xffff}`,
    ]);
  });

  it('keeps a bounded number of frames and a bounded delay, and always decides, whatever arrives', () => {
    const arrivals = fc.array(
      fc.record({
        index: fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: -(2 ** 31), max: 2 ** 31 })),
        at: fc.integer({ min: 0, max: 6_000 }),
        hasCopy: fc.boolean(),
      }),
      { maxLength: 200 },
    );
    fc.assert(
      fc.property(arrivals, (all) => {
        const buffer = new JitterBuffer();
        const decisions = play(buffer, all, 6_000);

        expect(buffer.depth).toBeLessThanOrEqual(CAPACITY_FRAMES);
        expect(buffer.targetDelayMs).toBeLessThanOrEqual(MAX_TARGET_DELAY_MS);
        expect(new Set(decisions.map((decision) => decision.split(' ')[0]))).not.toContain('undefined');
        const { played, recovered, concealed, silent, inserted, merged } = buffer.counts;
        expect(decisions).toHaveLength(played - merged + recovered + concealed + silent + inserted);
      }),
    );
  });

  it('plays every frame of any stream in order and at most once', () => {
    const network = fc.record({
      seed: fc.integer(),
      jitterMs: fc.integer({ min: 0, max: 300 }),
      loss: fc.double({ min: 0, max: 0.5, noNaN: true }),
    });
    fc.assert(
      fc.property(network, ({ seed, jitterMs, loss }) => {
        const random = seeded(seed);
        const arrivals = steady(200, () => random() * jitterMs).filter(() => random() >= loss);
        const numbers = play(new JitterBuffer(), arrivals, 5_000).flatMap((decision) =>
          /^(play|merge) /.test(decision) ? (decision.match(/\d+/g) ?? []).map(Number) : [],
        );

        expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
      }),
    );
  });
});
