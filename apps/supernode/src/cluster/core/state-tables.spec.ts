import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import type { Instant } from '@parley/nat';
import { DEFAULT_CLUSTER_SETTINGS } from './cluster-settings.ts';
import { Coordination } from './coordination.ts';
import { clusterDiagrams, TABLES } from './testing/state-diagrams.ts';

const at = (ms: number) => ms as Instant;

describe('the state tables of the cluster core', () => {
  it.each(Object.entries(TABLES))(
    'reach every state, and name only states of their own (%s)',
    (_, machine) => {
      const table: Readonly<Record<string, Readonly<Record<string, string>>>> = machine.table;
      const seen = new Set<string>([machine.start]);
      for (const state of seen) for (const to of Object.values(table[state] ?? {})) seen.add(to);

      expect([...seen].sort()).toEqual(Object.keys(table).sort());
    },
  );

  it('are the pictures in the documentation', () => {
    const file = path.resolve(import.meta.dirname, '../../../../../docs/architecture/cluster.md');
    const pictures = [...readFileSync(file, 'utf8').matchAll(/```mermaid\n(stateDiagram-v2[^`]*)\n```/g)];

    expect(pictures.map((picture) => picture[1])).toEqual(clusterDiagrams());
  });
});

describe('the lease of the coordinator', () => {
  it('is relied on from when it was asked for, until the margin before its end', () => {
    const coordination = new Coordination(DEFAULT_CLUSTER_SETTINGS);
    coordination.held(at(1_000), at(1_200));
    coordination.storesRead();

    expect(coordination.state(at(3_499))).toBe('informed');
    expect(coordination.state(at(3_500))).toBe('following');
    expect(coordination.expire(at(3_500))).toBe(true);
    expect(coordination.expire(at(3_500))).toBe(false);
  });

  it('makes nobody coordinator whose answer came too late', () => {
    const coordination = new Coordination(DEFAULT_CLUSTER_SETTINGS);
    coordination.held(at(1_000), at(3_600));

    expect(coordination.state(at(3_600))).toBe('following');
  });

  it('informs anew after each election', () => {
    const coordination = new Coordination(DEFAULT_CLUSTER_SETTINGS);
    coordination.held(at(0), at(1));
    coordination.storesRead();
    coordination.held(at(5_000), at(5_001));

    expect(coordination.state(at(5_001))).toBe('elected');
    expect(coordination.since).toBe(5_001);
    coordination.refused();
    expect(coordination.state(at(5_002))).toBe('following');
  });
});
