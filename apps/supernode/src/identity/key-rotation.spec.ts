import { describe, expect, it } from '@jest/globals';
import { LIMITS } from '@parley/protocol';
import { ANNOUNCED_MS, planRotation } from './key-rotation.ts';
import type { ClusterKeyRecord } from './keyring.port.ts';
import { newRingKey } from './ring-key.ts';

const DAY_MS = 24 * 3600_000;
const NOW = 1000 * DAY_MS;
const REFUSED = expect.objectContaining({ code: 'SN_OPERATION_REFUSED' });

/** Keys of a ring, newest first, by the days after `NOW` on which they end; null for those without an end. */
function ring(...ends: readonly (number | null)[]): ClusterKeyRecord[] {
  return ends.map((end, at) => ({
    ...newRingKey('roster', NOW - (at + 1) * DAY_MS),
    version: ends.length - at,
    notAfter: end === null ? null : new Date(NOW + end * DAY_MS),
  }));
}

describe('planRotation', () => {
  it('announces a key before it signs, and lets those before sign on for the overlap', () => {
    const begins = NOW + ANNOUNCED_MS;

    const { next, endings, forgotten } = planRotation('roster', ring(null), 90, NOW);

    expect(next).toMatchObject({ version: 2, notBefore: new Date(begins), notAfter: null });
    expect(endings).toEqual([{ version: 1, notAfter: new Date(begins + 90 * DAY_MS) }]);
    expect(forgotten).toEqual([]);
  });

  it('lets no key live longer than it was to, and forgets those that ended days ago', () => {
    const { endings, forgotten } = planRotation('roster', ring(null, 5, -1, -3), 10, NOW);

    expect(endings.map(({ version }) => version)).toEqual([4]);
    expect(forgotten).toEqual([1]);
  });

  it('ends all others at once where the overlap is none', () => {
    const { next, endings } = planRotation('roster', ring(null, 5), 0, NOW);

    expect(endings).toEqual([2, 1].map((version) => ({ version, notAfter: next.notBefore })));
  });

  it.each<[string, ClusterKeyRecord[]]>([
    ['there is no key', []],
    ['the newest does not sign yet', [newRingKey('roster', NOW + 1)]],
    [
      'clients would not take so many',
      ring(null, ...Array.from({ length: LIMITS.maxRosterKeys - 1 }, () => 5)),
    ],
  ])('is refused where %s', (_why, keys) => {
    expect(() => planRotation('roster', keys, 90, NOW)).toThrow(REFUSED);
  });
});
