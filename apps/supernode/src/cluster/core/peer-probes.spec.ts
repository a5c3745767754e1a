import { describe, expect, it } from '@jest/globals';
import type { Instant } from '@parley/nat';
import { DEFAULT_CLUSTER_SETTINGS } from './cluster-settings.ts';
import { PeerProbes } from './peer-probes.ts';
import { memberOf, recordOf } from './testing/assessed-nodes.ts';

const at = (ms: number) => ms as Instant;

function probesOf(...ids: readonly string[]): PeerProbes {
  const probes = new PeerProbes(DEFAULT_CLUSTER_SETTINGS, () => 0.5);
  probes.watch(
    ids.map((id) => memberOf(recordOf(id))),
    at(0),
  );
  return probes;
}

describe('probes of peers', () => {
  it('ask everybody at once and then each in its rhythm, one question at a time', () => {
    const probes = probesOf('a', 'b');
    expect(probes.takeDue(at(0))).toEqual(['a', 'b']);
    probes.answered('a', 1, at(0), true);

    expect(probes.takeDue(at(999))).toEqual([]);
    expect(probes.nextAt()).toBe(1_000);
    expect(probes.takeDue(at(1_000))).toEqual(['a']);
  });

  it('call unreachable who failed twice in a row, and reached who answered since', () => {
    const probes = probesOf('a', 'b', 'c');
    for (const [sentAt, answers] of [
      [0, true],
      [1_000, false],
      [2_000, false],
    ] as const) {
      probes.takeDue(at(sentAt));
      probes.answered('b', 1, at(sentAt), true);
      probes.answered('c', 1, at(sentAt), true);
      if (answers) probes.answered('a', 1, at(sentAt), true);
      else probes.failed('a', at(sentAt), at(sentAt + 800));
    }

    expect(probes.opinions().unreachable).toEqual(['a']);
    expect(probes.opinions().reached).toEqual(['b', 'c']);
    expect([probes.answers('a'), probes.answers('b')]).toEqual([false, true]);
  });

  it('ask again soon who refused, and in the usual rhythm who was silent', () => {
    const probes = probesOf('a', 'b');
    probes.takeDue(at(0));
    probes.failed('a', at(0), at(2));
    probes.failed('b', at(0), at(800));

    expect(probes.takeDue(at(251))).toEqual([]);
    expect(probes.takeDue(at(252))).toEqual(['a']);
    probes.failed('a', at(252), at(253));
    expect([probes.isFailing('a'), probes.isFailing('b'), probes.hasFailing]).toEqual([true, false, true]);
  });

  it('count a probe without any answer as failed', () => {
    const probes = probesOf('a');
    for (let now = 0; now <= 5_000; now += 100) probes.takeDue(at(now));

    expect(probes.isFailing('a')).toBe(true);
  });

  it('do not vouch for whom they reach only in part', () => {
    const probes = probesOf('a');
    probes.takeDue(at(0));
    probes.answered('a', 1, at(0), false);

    expect(probes.opinions().reached).toEqual([]);
    expect(probes.opinions().unreachable).toEqual([]);
    expect(probes.answers('a')).toBe(true);
  });

  it('take no word of another run, and forget what they thought of the one before', () => {
    const probes = probesOf('a');
    probes.takeDue(at(0));
    probes.answered('a', 2, at(0), true);
    expect(probes.opinions().reached).toEqual([]);

    probes.watch([memberOf(recordOf('a', { incarnation: 2 }))], at(10));
    expect(probes.takeDue(at(10))).toEqual(['a']);
    probes.answered('a', 2, at(10), true);
    expect(probes.opinions().reached).toEqual(['a']);
  });

  it('of an observer that reaches hardly anybody need more failures, until it is well again', () => {
    const probes = probesOf('a', 'b', 'c');
    const failAll = (sentAt: number) => {
      probes.takeDue(at(sentAt));
      for (const id of ['a', 'b', 'c']) probes.failed(id, at(sentAt), at(sentAt + 800));
    };
    failAll(0);
    failAll(1_000);
    failAll(2_000);
    expect(probes.multiplier).toBeGreaterThan(1);
    expect(probes.opinions().unreachable).toEqual([]);

    for (let sentAt = 3_000; sentAt < 10_000; sentAt += 1_000) failAll(sentAt);
    expect(probes.opinions().unreachable).toEqual(['a', 'b', 'c']);

    for (let sentAt = 10_000; sentAt < 16_000; sentAt += 1_000) {
      probes.takeDue(at(sentAt));
      for (const id of ['a', 'b', 'c']) probes.answered(id, 1, at(sentAt), true);
    }
    expect(probes.multiplier).toBe(1);
  });

  it('forget failures that were observed while this process stood still', () => {
    const probes = probesOf('a');
    for (const sentAt of [0, 1_000]) {
      probes.takeDue(at(sentAt));
      probes.failed('a', at(sentAt), at(sentAt + 800));
    }
    expect(probes.opinions().unreachable).toEqual(['a']);

    probes.observerWasLate();

    expect(probes.opinions().unreachable).toEqual([]);
    expect(probes.multiplier).toBe(2);
  });
});
