import type { ClusterConfig } from '../config/config.schema.ts';
import { DEFAULT_CLUSTER_SETTINGS, type ClusterSettings } from './core/cluster-settings.ts';

const PERCENT = 100;
/** A lease is renewed so often in its life that one lost request does not end it. */
const RENEWALS_PER_LIFE = 3;

/** What the core works with, from what an operator set. */
export function electionSettings(config: ClusterConfig): ClusterSettings {
  const { storeTimeoutMs, promotePercent, demotePercent, growPercent, shrinkPercent } = config;
  return {
    ...DEFAULT_CLUSTER_SETTINGS,
    ...config,
    renewIntervalMs: Math.floor(config.leaseTtlMs / RENEWALS_PER_LIFE),
    requestTimeoutMs: storeTimeoutMs,
    saturatedCpu: config.saturatedPercent / PERCENT,
    massLossShare: config.massLossPercent / PERCENT,
    promoteScore: promotePercent / PERCENT,
    demoteScore: demotePercent / PERCENT,
    growFill: growPercent / PERCENT,
    shrinkFill: shrinkPercent / PERCENT,
    boundedLoad: config.boundedLoadPercent / PERCENT,
    slowStartWeight: config.slowStartPercent / PERCENT,
    scoreWeights: fractions(config.scoreWeights),
  };
}

function fractions(weights: ClusterSettings['scoreWeights']): ClusterSettings['scoreWeights'] {
  const entries = Object.entries(weights).map(([term, percent]) => [term, percent / PERCENT]);
  return Object.fromEntries(entries) as ClusterSettings['scoreWeights'];
}
