import { ManualTime } from '../clock/testing/manual-time.ts';
import { Metrics } from '../observability/metrics.ts';
import { Refusal } from '../refusal.ts';
import { FailedSignIns } from './failed-sign-ins.ts';

const OFFICE = '192.0.2.1';

function setUp() {
  const time = new ManualTime();
  const failed = new FailedSignIns(new Metrics({ withProcess: false }), time);
  let worked = 0;
  const attempt = (source: string, code?: Refusal['code']) =>
    failed
      .watch(source, () => {
        worked += 1;
        return code === undefined ? Promise.resolve('in') : Promise.reject(new Refusal(code));
      })
      .catch((error: unknown) => (error as Refusal).code);
  const many = async (count: number, code: Refusal['code']) => {
    for (let index = 0; index < count; index += 1) await attempt(OFFICE, code);
  };
  return { time, attempt, many, worked: () => worked };
}

describe('FailedSignIns', () => {
  it.each([
    ['CHALLENGE_EXPIRED', 40],
    ['BAD_PROOF', 40],
    ['RESUME_REFUSED', 600],
  ] as const)('lets one address fail by %s so often and no oftener', async (code, limit) => {
    const { attempt, many, worked } = setUp();
    await many(2 * limit, code);
    expect(worked()).toBe(limit);
    expect(await attempt(OFFICE)).toBe('RATE_LIMITED');
    expect(await attempt('192.0.2.2')).toBe('in');
  });

  it('forgets after a while', async () => {
    const { time, attempt, many } = setUp();
    await many(100, 'BAD_PROOF');
    await time.advance(20_000);
    expect(await attempt(OFFICE)).toBe('in');
  });

  it.each(['NOT_HOME', 'BUSY', 'STORE_UNAVAILABLE', 'TOKEN_EXPIRED'] as const)(
    'holds %s against nobody',
    async (code) => {
      const { attempt, many } = setUp();
      await many(1000, code);
      expect(await attempt(OFFICE)).toBe('in');
    },
  );
});
