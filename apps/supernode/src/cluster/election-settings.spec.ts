import { describe, expect, it } from '@jest/globals';
import { testConfig } from '../config/testing/test-config.ts';
import { DEFAULT_CLUSTER_SETTINGS } from './core/cluster-settings.ts';
import { electionSettings } from './election-settings.ts';

describe('electionSettings', () => {
  it('are those of the core where nothing is set', () => {
    const settings = electionSettings(testConfig().cluster);

    expect(settings).toMatchObject(DEFAULT_CLUSTER_SETTINGS);
  });

  it('follow what is set, in the units of the core', () => {
    const settings = electionSettings(
      testConfig({
        SUPERNODE_LEASE_TTL_MS: '1800',
        SUPERNODE_STORE_TIMEOUT_MS: '700',
        SUPERNODE_BOUNDED_LOAD_PERCENT: '150',
        SUPERNODE_SCORE_WEIGHTS:
          'cpu:40,eventLoop:10,memory:10,relay:10,uptime:10,reachability:10,version:10',
      }).cluster,
    );

    expect(settings).toMatchObject({
      leaseTtlMs: 1_800,
      renewIntervalMs: 600,
      requestTimeoutMs: 700,
      boundedLoad: 1.5,
      scoreWeights: { cpu: 0.4, version: 0.1 },
    });
  });
});
