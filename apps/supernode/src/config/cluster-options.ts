import { DEFAULT_CLUSTER_SETTINGS as DEFAULTS } from '../cluster/core/cluster-settings.ts';
import { integer, option, shares, type Option } from './option.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
/** Appended to those that fence: a supernode that counted otherwise would act while another one does. */
const ALIKE = 'The same on all supernodes of a cluster.';

/** Milliseconds; all bounds are those within which the cluster still works, not those within which it works well. */
function time(
  env: string,
  fallback: number,
  [min, max]: readonly [number, number],
  doc: string,
): Option<number> {
  return option(integer({ min, max }), { env, default: fallback, doc });
}

function percent(env: string, fallback: number, doc: string, max = 100): Option<number> {
  return option(integer({ min: 1, max }), { env, default: Math.round(fallback * 100), doc });
}

function count(env: string, fallback: number, max: number, doc: string, min = 1): Option<number> {
  return option(integer({ min, max }), { env, default: fallback, doc });
}

/** The constants of election and assignment (DESIGN section 5); used with REDIS_URL only. */
export const ELECTION_OPTIONS = {
  leaseTtlMs: time(
    'SUPERNODE_LEASE_TTL_MS',
    DEFAULTS.leaseTtlMs,
    [600, 10 * MINUTE_MS],
    `Life of the lease with which a supernode says that it lives; renewed at a third of it. ${ALIKE}`,
  ),
  coordinatorTtlMs: time(
    'SUPERNODE_COORDINATOR_TTL_MS',
    DEFAULTS.coordinatorTtlMs,
    [600, 10 * MINUTE_MS],
    `Life of the lease of the coordinator. ${ALIKE}`,
  ),
  rosterPollMs: time(
    'SUPERNODE_ROSTER_POLL_MS',
    DEFAULTS.rosterPollMs,
    [100, MINUTE_MS],
    'Time between two readings of the roster and of the controls of operators.',
  ),
  rosterTtlMs: time(
    'SUPERNODE_ROSTER_TTL_MS',
    DEFAULTS.rosterTtlMs,
    [600, 10 * MINUTE_MS],
    `Time for which a supernode acts by a roster that it has read. ${ALIKE}`,
  ),
  marginMs: time(
    'SUPERNODE_LEASE_MARGIN_MS',
    DEFAULTS.marginMs,
    [50, MINUTE_MS],
    `How much earlier than others assume a supernode stops acting: different clock rates, and work in progress. ${ALIKE}`,
  ),
  handoverMs: time(
    'SUPERNODE_HANDOVER_MS',
    DEFAULTS.handoverMs,
    [600, 10 * MINUTE_MS],
    `Time that a new owner of a slot waits for a former one that does not confirm; at least both lives above. ${ALIKE}`,
  ),
  handoverPollMs: time(
    'SUPERNODE_HANDOVER_POLL_MS',
    DEFAULTS.handoverPollMs,
    [50, MINUTE_MS],
    'Time between two looks for the confirmation of a former owner.',
  ),
  storeTimeoutMs: time(
    'SUPERNODE_STORE_TIMEOUT_MS',
    DEFAULTS.requestTimeoutMs,
    [100, MINUTE_MS],
    'Time after which a request of the election to Redis or the database has failed.',
  ),
  probeIntervalMs: time(
    'SUPERNODE_PROBE_INTERVAL_MS',
    DEFAULTS.probeIntervalMs,
    [100, 10 * MINUTE_MS],
    'Time between two probes of the same supernode.',
  ),
  probeTimeoutMs: time(
    'SUPERNODE_PROBE_TIMEOUT_MS',
    DEFAULTS.probeTimeoutMs,
    [50, MINUTE_MS],
    'Time that a probed supernode has to answer.',
  ),
  probeFailures: count(
    'SUPERNODE_PROBE_FAILURES',
    DEFAULTS.probeFailures,
    100,
    'Failed probes in a row after which a supernode counts as unreachable for the one that probes.',
  ),
  maxHealthMultiplier: count(
    'SUPERNODE_HEALTH_MULTIPLIER',
    DEFAULTS.maxHealthMultiplier,
    100,
    'How many times slower a supernode that is itself unwell judges others, at most; 1 switches it off.',
  ),
  lateTimerMs: time(
    'SUPERNODE_LATE_TIMER_MS',
    DEFAULTS.lateTimerMs,
    [50, MINUTE_MS],
    'A timer that fires so late shows a supernode that it is unwell.',
  ),
  unreachableVotes: count(
    'SUPERNODE_UNREACHABLE_VOTES',
    DEFAULTS.unreachableVotes,
    1000,
    'Supernodes that must fail to reach one before it counts as down though it has a lease.',
    2,
  ),
  absenceMs: time(
    'SUPERNODE_ABSENCE_MS',
    DEFAULTS.absenceMs,
    [0, 10 * MINUTE_MS],
    'Time that a lease must be gone before its holder counts as down, where probes do not say so.',
  ),
  storeReturnMs: time(
    'SUPERNODE_STORE_RETURN_MS',
    DEFAULTS.storeReturnMs,
    [0, 10 * MINUTE_MS],
    'The same after Redis was away or lost its data: supernodes need time to come back.',
  ),
  saturatedPercent: percent(
    'SUPERNODE_SATURATED_PERCENT',
    DEFAULTS.saturatedCpu,
    'Use of the processor, in percent, from which on a supernode that renews its lease counts as busy when probes of it fail, and keeps its seat.',
  ),
  massLossPercent: percent(
    'SUPERNODE_MASS_LOSS_PERCENT',
    DEFAULTS.massLossShare,
    'Share of the leases, in percent, more than which must be gone at once while their holders answer, to freeze demotion.',
  ),
  massLossLeases: count(
    'SUPERNODE_MASS_LOSS_LEASES',
    DEFAULTS.massLossLeases,
    1000,
    'Number of leases that must be gone besides.',
  ),
  databaseLossMs: time(
    'SUPERNODE_DATABASE_LOSS_MS',
    DEFAULTS.databaseLossMs,
    [1000, 60 * MINUTE_MS],
    'Time that an active supernode may be without the database, which the coordinator has, before it loses its seat.',
  ),
  settleMs: time(
    'SUPERNODE_SETTLE_MS',
    DEFAULTS.settleMs,
    [0, 10 * MINUTE_MS],
    'Time that a supernode runs before it judges others.',
  ),
  coldStartMs: time(
    'SUPERNODE_COLD_START_MS',
    DEFAULTS.coldStartMs,
    [0, 10 * MINUTE_MS],
    'When all supernodes of a cluster were started anew, the time that slots wait for the return of the supernode that had them.',
  ),
  scoreWeights: option(shares(DEFAULTS.scoreWeights), {
    env: 'SUPERNODE_SCORE_WEIGHTS',
    default: percentages(DEFAULTS.scoreWeights),
    doc: 'What each term counts in the score of a supernode, in percent.',
  }),
  smoothingMs: time(
    'SUPERNODE_SCORE_SMOOTHING_MS',
    DEFAULTS.smoothingMs,
    [1, 60 * MINUTE_MS],
    'Time constant with which loads are smoothed for the score.',
  ),
  fullUptimeMs: time(
    'SUPERNODE_SCORE_UPTIME_MS',
    DEFAULTS.fullUptimeMs,
    [1, DAY_MS],
    'Uptime from which on it counts in full.',
  ),
  promotePercent: percent(
    'SUPERNODE_PROMOTE_PERCENT',
    DEFAULTS.promoteScore,
    'Score, in percent, from which on a supernode is fit for a seat that the load asks for.',
  ),
  promoteHeldMs: time(
    'SUPERNODE_PROMOTE_HELD_MS',
    DEFAULTS.promoteHeldMs,
    [0, DAY_MS],
    'Time for which score and load must last before a seat is added.',
  ),
  demotePercent: percent(
    'SUPERNODE_DEMOTE_PERCENT',
    DEFAULTS.demoteScore,
    'Score, in percent, below which an active supernode is replaced by a better one.',
  ),
  demoteHeldMs: time(
    'SUPERNODE_DEMOTE_HELD_MS',
    DEFAULTS.demoteHeldMs,
    [0, DAY_MS],
    'Time for which a low score, or too many seats, must last before a seat is taken away.',
  ),
  minimumTenureMs: time(
    'SUPERNODE_MINIMUM_TENURE_MS',
    DEFAULTS.minimumTenureMs,
    [0, DAY_MS],
    'Time that a seat lasts at least before it is taken away for a low score, or for being too many.',
  ),
  promotionIntervalMs: time(
    'SUPERNODE_PROMOTION_INTERVAL_MS',
    DEFAULTS.promotionIntervalMs,
    [0, DAY_MS],
    'Time between two added seats in a region; a lost seat is replaced at once.',
  ),
  minimumSeats: count(
    'SUPERNODE_MINIMUM_SEATS',
    DEFAULTS.minimumSeats,
    1000,
    'Active supernodes of a region at least, where there are as many.',
  ),
  maximumSeats: count(
    'SUPERNODE_MAXIMUM_SEATS',
    DEFAULTS.maximumSeats,
    1000,
    'Active supernodes of a region at most; the others stand by and redirect clients.',
  ),
  spareSeats: count(
    'SUPERNODE_SPARE_SEATS',
    DEFAULTS.spareSeats,
    100,
    'Active supernodes of a region beyond those that the load needs.',
    0,
  ),
  growPercent: percent(
    'SUPERNODE_GROW_PERCENT',
    DEFAULTS.growFill,
    'Share of the connections that the seats can take, spare ones not counted, from which on a seat is added.',
  ),
  shrinkPercent: percent(
    'SUPERNODE_SHRINK_PERCENT',
    DEFAULTS.shrinkFill,
    'Share that must be undercut even with one seat less before a seat is taken away.',
  ),
  boundedLoadPercent: option(integer({ min: 105, max: 1000 }), {
    env: 'SUPERNODE_BOUNDED_LOAD_PERCENT',
    default: Math.round(DEFAULTS.boundedLoad * 100),
    doc: 'The most slots that a supernode owns, in percent of what is due to its weight.',
  }),
  slowStartPercent: percent(
    'SUPERNODE_SLOW_START_PERCENT',
    DEFAULTS.slowStartWeight,
    'Weight with which a fresh active supernode begins, in percent of its full one.',
  ),
  slowStartMs: time(
    'SUPERNODE_SLOW_START_MS',
    DEFAULTS.slowStartMs,
    [0, 60 * MINUTE_MS],
    'Time over which that weight grows to the full one.',
  ),
  slowStartSteps: count(
    'SUPERNODE_SLOW_START_STEPS',
    DEFAULTS.slowStartSteps,
    100,
    'Steps in which it grows; each is one roster.',
  ),
  evaluateIntervalMs: time(
    'SUPERNODE_EVALUATE_INTERVAL_MS',
    DEFAULTS.evaluateIntervalMs,
    [100, 10 * MINUTE_MS],
    'Time between two looks of the coordinator at everything.',
  ),
} as const satisfies Record<string, Option<unknown>>;

function percentages<Name extends string>(fractions: Readonly<Record<Name, number>>): Record<Name, number> {
  const entries = Object.entries<number>(fractions).map(([name, share]) => [name, Math.round(share * 100)]);
  return Object.fromEntries(entries) as Record<Name, number>;
}
