/** How well a supernode is suited for a seat, 0 to 1. Every term is kept, so that a decision can be explained. */
import type { LoadVector, NodeRecord, Reachability } from '../node-record.ts';
import type { ClusterSettings } from './cluster-settings.ts';

export type ScoreTerm = keyof ClusterSettings['scoreWeights'];

/** Each term 0 to 1, before its weight. */
export type ScoreTerms = Readonly<Record<ScoreTerm, number>>;

const REACHABILITY_TERM: Readonly<Record<Reachability, number>> = {
  verified: 1,
  unverified: 0.5,
  unreachable: 0,
};

export function scoreTerms(
  record: Pick<NodeRecord, 'capacity' | 'uptimeMs' | 'version'>,
  load: LoadVector,
  reachability: Reachability,
  newestVersion: string,
  settings: ClusterSettings,
): ScoreTerms {
  return {
    cpu: headroom(load.cpu, 1),
    eventLoop: headroom(load.eventLoopDelayMs, record.capacity.eventLoopDelayMs),
    memory: headroom(load.memory, 1),
    relay: headroom(load.relayBytesPerSecond, record.capacity.relayBytesPerSecond),
    uptime: clamp(record.uptimeMs / settings.fullUptimeMs),
    reachability: REACHABILITY_TERM[reachability],
    version: versionTerm(record.version, newestVersion),
  };
}

export function scoreOf(terms: ScoreTerms, weights: ClusterSettings['scoreWeights']): number {
  let score = 0;
  for (const term of Object.keys(weights) as ScoreTerm[]) score += weights[term] * terms[term];
  return score;
}

/** One step of exponential smoothing: over a given time it gives the same whatever the rhythm of the samples. */
export function smoothedLoad(
  before: LoadVector,
  sample: LoadVector,
  elapsedMs: number,
  timeConstantMs: number,
): LoadVector {
  const kept = Math.exp(-Math.max(0, elapsedMs) / timeConstantMs);
  const step = (from: number, to: number) => to + (from - to) * kept;
  return {
    connections: step(before.connections, sample.connections),
    cpu: step(before.cpu, sample.cpu),
    memory: step(before.memory, sample.memory),
    eventLoopDelayMs: step(before.eventLoopDelayMs, sample.eventLoopDelayMs),
    relayBytesPerSecond: step(before.relayBytesPerSecond, sample.relayBytesPerSecond),
  };
}

/** The greatest of several versions `major.minor.patch`; what is no version is older than any. */
export function newestVersion(versions: Iterable<string>): string {
  let newest = '';
  for (const version of versions) {
    if (version !== newest && compareVersions(version, newest) > 0) newest = version;
  }
  return newest;
}

/** 1 for the newest version; a little less for an older patch, half for an older minor, nothing for an older major version. */
export function versionTerm(version: string, newest: string): number {
  if (version === newest) return 1;
  const [own, best] = [numbersOf(version), numbersOf(newest)];
  if (own[0] !== best[0]) return own[0] > best[0] ? 1 : 0;
  if (own[1] !== best[1]) return own[1] > best[1] ? 1 : 0.5;
  return own[2] >= best[2] ? 1 : 0.9;
}

function compareVersions(a: string, b: string): number {
  const [left, right] = [numbersOf(a), numbersOf(b)];
  return left[0] - right[0] || left[1] - right[1] || left[2] - right[2];
}

function numbersOf(version: string): [number, number, number] {
  const [, major, minor, patch] = /^v?(\d+)\.(\d+)\.(\d+)/.exec(version) ?? [];
  return major === undefined ? [-1, -1, -1] : [Number(major), Number(minor), Number(patch)];
}

function headroom(used: number, limit: number): number {
  return limit > 0 ? 1 - clamp(used / limit) : 1;
}

function clamp(value: number): number {
  return Number.isFinite(value) ? Math.min(1, Math.max(0, value)) : 0;
}
