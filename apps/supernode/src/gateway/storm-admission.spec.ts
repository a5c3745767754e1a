import { describe, expect, it } from '@jest/globals';
import { ManualTime, settled } from '../clock/testing/manual-time.ts';
import { Metrics } from '../observability/metrics.ts';
import { Refusal } from '../refusal.ts';
import { StormAdmission, type AdmissionKind } from './storm-admission.ts';

const LIMITS_OF_TEST = {
  signInsPerSecond: 10,
  resumesPerSecond: 40,
  maxSignInsUnderWay: 4,
  warmUpSeconds: 0,
};

function setUp(limits: Partial<typeof LIMITS_OF_TEST> = {}, ownership = { isHeldBack: true }) {
  const time = new ManualTime();
  const metrics = new Metrics({ withProcess: false });
  const rates = { ...LIMITS_OF_TEST, ...limits };
  const admission = new StormAdmission(metrics, time, time, rates, ownership);
  const log: string[] = [];
  /** Work that lasts until a test ends it. */
  const begin = (kind: AdmissionKind, name: string, isWanted?: () => boolean) => {
    let end: () => void = () => undefined;
    const outcome = admission.run(
      kind,
      async () => {
        log.push(name);
        await new Promise<void>((resolve) => (end = resolve));
      },
      isWanted,
    );
    const refused = outcome.then(
      () => undefined,
      (error: unknown) => error as Refusal,
    );
    return { end: () => end(), refused };
  };
  const attempt = (kind: AdmissionKind) =>
    admission
      .run(kind, () => Promise.resolve())
      .then(
        () => true,
        (error: unknown) => error as Refusal,
      );
  /** How many of `count` attempts now are let in. */
  const admitted = async (kind: AdmissionKind, count: number) => {
    let admittedNow = 0;
    for (let tried = 0; tried < count; tried++) if ((await attempt(kind)) === true) admittedNow += 1;
    return admittedNow;
  };
  return { time, metrics, admission, log, begin, attempt, admitted };
}

describe('StormAdmission › rates', () => {
  it('let more of those in who come back than of those who sign in, each from a bucket of its own', async () => {
    const { time, admitted } = setUp();

    expect([await admitted('sign-in', 100), await admitted('resume', 100)]).toEqual([10, 40]);
    await time.advance(500);
    expect([await admitted('sign-in', 100), await admitted('resume', 100)]).toEqual([5, 20]);
  });

  it('tell who is refused when to try again, over a window that grows with the refused', async () => {
    const { attempt, admitted } = setUp();
    await admitted('sign-in', 10);

    const first = await attempt('sign-in');
    await admitted('sign-in', 98);
    const last = await attempt('sign-in');

    expect(first).toMatchObject({ code: 'BUSY', retryAfterMs: 100, windowMs: 1000 });
    // A hundred come again, of whom seven are let in each second.
    expect(last).toMatchObject({ code: 'BUSY', windowMs: (100 / 7) * 1000 });
  });

  it('begin with a tenth where others are there, and are all there after the warm-up', async () => {
    const { time, admitted } = setUp({ warmUpSeconds: 60 });

    expect(await admitted('resume', 100)).toBe(4);
    await time.advance(30_000);
    expect(await admitted('resume', 100)).toBe(22);
    await time.advance(30_000);
    expect(await admitted('resume', 100)).toBe(40);
    await time.advance(60_000);
    expect(await admitted('resume', 100)).toBe(40);
  });

  it('are all there at once where nobody is warm, as after a start of all', async () => {
    const ownership = { isHeldBack: true };
    const { admitted } = setUp({ warmUpSeconds: 60 }, ownership);
    expect(await admitted('resume', 100)).toBe(4);

    ownership.isHeldBack = false;
    expect(await admitted('sign-in', 100)).toBe(10);
  });

  it('do not count who was sent elsewhere', async () => {
    const { admission, admitted } = setUp();
    for (let sent = 0; sent < 50; sent++) {
      const elsewhere = admission.run('sign-in', () => Promise.reject(new Refusal('NOT_HOME')));
      await expect(elsewhere).rejects.toMatchObject({ code: 'NOT_HOME' });
    }

    expect(await admitted('sign-in', 100)).toBe(10);
  });

  it('count whoever fails otherwise', async () => {
    const { admission, admitted } = setUp();
    await expect(
      admission.run('sign-in', () => Promise.reject(new Refusal('BAD_PROOF'))),
    ).rejects.toMatchObject({ code: 'BAD_PROOF' });

    expect(await admitted('sign-in', 100)).toBe(9);
  });
});

describe('StormAdmission › what is under way', () => {
  it('is bounded; the others wait, who came back first and searches last', async () => {
    const { log, begin } = setUp();
    const running = [1, 2, 3, 4].map((n) => begin('sign-in', `running ${n}`));
    begin('search', 'search');
    begin('sign-in', 'sign-in');
    begin('resume', 'resume');
    await settled();
    expect(log).toHaveLength(4);

    for (const one of running.slice(0, 2)) {
      one.end();
      await settled();
    }

    expect(log.slice(4)).toEqual(['resume', 'sign-in']);
    running[2]?.end();
    await settled();
    expect(log.slice(4)).toEqual(['resume', 'sign-in', 'search']);
  });

  it('is searches for half of it at most', async () => {
    const { log, begin } = setUp();
    for (const n of [1, 2, 3]) begin('search', `search ${n}`);
    begin('sign-in', 'sign-in');
    await settled();

    expect(log).toEqual(['search 1', 'search 2', 'sign-in']);
  });

  it('is given up on by who waited too long', async () => {
    const { time, metrics, begin, log } = setUp();
    const running = [1, 2, 3, 4].map((n) => begin('resume', `running ${n}`));
    const late = begin('resume', 'late');

    await time.advance(7_000);
    running[0]?.end();
    await settled();

    expect(await late.refused).toMatchObject({ code: 'BUSY' });
    expect(log).not.toContain('late');
    expect((await metrics.exposition()).body).toContain(
      'parley_edge_admissions_total{kind="resume",outcome="late"} 1',
    );
  });

  it('is not begun for who has left', async () => {
    const { begin, log } = setUp();
    const running = [1, 2, 3, 4].map((n) => begin('resume', `running ${n}`));
    const left = begin('resume', 'left', () => false);
    const next = begin('resume', 'next');
    await settled();

    running[0]?.end();
    await settled();

    expect(await left.refused).toMatchObject({ code: 'BUSY' });
    expect(log.at(-1)).toBe('next');
    next.end();
    expect(await next.refused).toBeUndefined();
  });

  it('has a queue that ends', async () => {
    const { begin, attempt } = setUp({ maxSignInsUnderWay: 1, resumesPerSecond: 1000 });
    for (let n = 0; n < 17; n++) begin('resume', `${n}`);

    expect(await attempt('resume')).toMatchObject({ code: 'BUSY' });
  });

  it('leaves its place when it fails', async () => {
    const { admission, attempt } = setUp({ maxSignInsUnderWay: 1 });
    await expect(admission.run('resume', () => Promise.reject(new Error('fault')))).rejects.toThrow('fault');

    expect(await attempt('resume')).toBe(true);
  });
});

describe('StormAdmission › those who come back', () => {
  it('are held up while some wait, and until those who were refused may be expected to have come', async () => {
    const { admission, admitted, attempt, begin, time } = setUp({ maxSignInsUnderWay: 1 });
    expect(admission.isHoldingUp).toBe(false);

    const [first, second] = [begin('resume', 'first'), begin('resume', 'second')];
    await settled();
    expect(admission.isHoldingUp).toBe(true);
    first.end();
    await settled();
    expect(admission.isHoldingUp).toBe(false);
    second.end();
    await settled();

    // 28 a second are expected to come again.
    await admitted('resume', 38 + 14);
    expect(admission.isHoldingUp).toBe(true);
    await time.advance(499);
    expect(admission.isHoldingUp).toBe(true);
    await time.advance(1);
    expect(admission.isHoldingUp).toBe(false);
    expect(await attempt('search')).toBe(true);
  });

  it('are held up as long as they come to a supernode at its limit, of whom the last is not known', async () => {
    const time = new ManualTime();
    let lateMs = 0;
    const clock = { now: () => time.now(), monotonic: () => time.monotonic() + lateMs };
    const limits = { signInsPerSecond: 100, resumesPerSecond: 100, maxSignInsUnderWay: 64, warmUpSeconds: 0 };
    const admission = new StormAdmission(new Metrics({ withProcess: false }), clock, time, limits, {
      isHeldBack: false,
    });
    const comes = (kind: AdmissionKind) => admission.run(kind, () => Promise.resolve());
    await comes('resume');
    lateMs += 200;
    await time.advance(50);
    await comes('search');
    expect(admission.isHoldingUp).toBe(false);

    await comes('resume');
    await time.advance(4_999);
    expect(admission.isHoldingUp).toBe(true);
    await time.advance(1);
    expect(admission.isHoldingUp).toBe(false);
    await comes('resume');
    expect(admission.isHoldingUp).toBe(false);
  });
});

describe('StormAdmission › waiting aside', () => {
  it('holds nobody up, and takes a place again in its turn', async () => {
    const { admission, begin, log } = setUp({ maxSignInsUnderWay: 1 });
    let goOn: () => void = () => undefined;
    const aside = admission.run('resume', async (turn) => {
      log.push('began');
      await turn.aside(() => new Promise((resolve) => (goOn = resolve)));
      log.push('went on');
    });
    await settled();

    const other = begin('resume', 'other');
    await settled();
    goOn();
    await settled();
    expect(log).toEqual(['began', 'other']);

    other.end();
    await aside;
    expect(log).toEqual(['began', 'other', 'went on']);
    // Every place was given back once.
    const next = begin('resume', 'next');
    const last = begin('resume', 'last');
    await settled();
    expect(log.slice(3)).toEqual(['next']);
    next.end();
    await settled();
    expect(log.slice(3)).toEqual(['next', 'last']);
    last.end();
  });

  it('counts towards the longest wait: who finds no place in what is left of it is refused', async () => {
    const { admission, begin, time } = setUp({ maxSignInsUnderWay: 1 });
    let goOn: () => void = () => undefined;
    const refused = admission
      .run('resume', (turn) => turn.aside(() => new Promise((resolve) => (goOn = resolve))))
      .catch((error: unknown) => error);
    await settled();
    const other = begin('resume', 'other');
    await time.advance(6_500);
    goOn();
    await settled();
    await time.advance(500);

    expect(await refused).toMatchObject({ code: 'BUSY' });
    other.end();
  });
});
