/**
 * Every constant of the cluster core. Times are milliseconds on a monotonic clock. Those that fence (`leaseTtlMs`, `rosterTtlMs`,
 * `handoverMs`, `marginMs`) must be the same on all supernodes of a cluster; see docs/architecture/cluster.md.
 */
export interface ClusterSettings {
  // Leases and fencing
  /** Life of a membership lease in the lease store. */
  readonly leaseTtlMs: number;
  /** Between renewals, between readings of all leases, and between attempts to hold coordination: a third of the life. */
  readonly renewIntervalMs: number;
  /** Life of the coordinator's lease. */
  readonly coordinatorTtlMs: number;
  /** Between readings of the roster and of the operators' controls. */
  readonly rosterPollMs: number;
  /** How long a reading of the roster entitles its reader to act by it. */
  readonly rosterTtlMs: number;
  /** How much earlier than others assume everybody stops: covers different clock rates and what is in progress. */
  readonly marginMs: number;
  /** How long a new owner of a slot waits for a former one that does not confirm; at least both lives above. */
  readonly handoverMs: number;
  /** Between readings of all leases while a former owner's confirmation is awaited. */
  readonly handoverPollMs: number;
  /** A request to a store without an answer for so long counts as failed. */
  readonly requestTimeoutMs: number;

  // Probes and failure detection
  /** Between two probes of the same supernode. */
  readonly probeIntervalMs: number;
  readonly probeTimeoutMs: number;
  /** Failed probes in a row after which a supernode counts as unreachable, for a healthy observer. */
  readonly probeFailures: number;
  /** How often this many times slower an unhealthy observer judges at most (local health multiplier; 1 switches it off). */
  readonly maxHealthMultiplier: number;
  /** A timer that fires so late marks the observer itself as unhealthy. */
  readonly lateTimerMs: number;
  /** Peers that must fail to reach a supernode before it counts as down while it has a lease; fewer never suffice than two. */
  readonly unreachableVotes: number;
  /**
   * Use of the processor (0 to 1) from which on a supernode that holds its lease counts as busy and not as cut off when probes of it
   * fail; the event-loop delay that it names as its limit does the same.
   */
  readonly saturatedCpu: number;
  /** How long a lease must be gone before its holder counts as down, where probes do not say so. */
  readonly absenceMs: number;
  /** The same after the lease store was away or lost data: its holders need time to come back. */
  readonly storeReturnMs: number;
  /** More than this share of the leases, and at least `massLossLeases`, gone while their holders answer: demotion is frozen. */
  readonly massLossShare: number;
  readonly massLossLeases: number;
  /** How long a supernode may go without the database, which the coordinator has, before its seat counts as lost. */
  readonly databaseLossMs: number;
  /** A supernode judges nobody before it has run for so long and has seen the others. */
  readonly settleMs: number;
  /**
   * When all were started anew, former seats wait so long for the supernodes that had them, counted by the uptime of the one that has
   * been back for longest; less than it takes to detect a loss.
   */
  readonly coldStartMs: number;

  // Score (0 to 1): weights of the terms, which add up to 1
  readonly scoreWeights: {
    readonly cpu: number;
    readonly eventLoop: number;
    readonly memory: number;
    readonly relay: number;
    readonly uptime: number;
    readonly reachability: number;
    readonly version: number;
  };
  /** Time constant of the smoothing. */
  readonly smoothingMs: number;
  /** Uptime from which on it counts in full. */
  readonly fullUptimeMs: number;

  // Hysteresis
  readonly promoteScore: number;
  readonly promoteHeldMs: number;
  readonly demoteScore: number;
  readonly demoteHeldMs: number;
  /** A seat is not taken away for a low score, or for being too many, before it lasted so long. */
  readonly minimumTenureMs: number;
  /** At most one promotion in a region within this time; a lost seat is replaced regardless. */
  readonly promotionIntervalMs: number;

  // Seats per region
  readonly minimumSeats: number;
  readonly maximumSeats: number;
  /** Seats beyond those that the load needs. */
  readonly spareSeats: number;
  /** Share of the connections of the seats, the spare ones not counted, from which on there are too few. */
  readonly growFill: number;
  /** Share that must be undercut even with one seat less before there are too many. */
  readonly shrinkFill: number;

  // Assignment
  /** Slots of the cluster; fewer only in tests. */
  readonly slotCount: number;
  /** Nobody owns more than this many times the share that is due by weight, rounded up. */
  readonly boundedLoad: number;
  readonly slowStartWeight: number;
  /** From `slowStartWeight` to 1. */
  readonly slowStartMs: number;
  /** Steps in which the weight grows: each is one roster. */
  readonly slowStartSteps: number;

  /** Between two looks of the coordinator at everything. */
  readonly evaluateIntervalMs: number;
  /** Decisions that are remembered for the admin API. */
  readonly maxDecisions: number;
}

export const DEFAULT_CLUSTER_SETTINGS: ClusterSettings = {
  leaseTtlMs: 3_000,
  renewIntervalMs: 1_000,
  coordinatorTtlMs: 3_000,
  rosterPollMs: 1_000,
  rosterTtlMs: 3_000,
  marginMs: 500,
  handoverMs: 3_000,
  handoverPollMs: 250,
  requestTimeoutMs: 2_000,

  probeIntervalMs: 1_000,
  probeTimeoutMs: 800,
  probeFailures: 2,
  maxHealthMultiplier: 4,
  lateTimerMs: 500,
  unreachableVotes: 3,
  saturatedCpu: 0.9,
  absenceMs: 500,
  storeReturnMs: 5_000,
  massLossShare: 0.3,
  massLossLeases: 3,
  databaseLossMs: 10_000,
  settleMs: 2_000,
  coldStartMs: 4_000,

  scoreWeights: {
    cpu: 0.25,
    eventLoop: 0.2,
    memory: 0.1,
    relay: 0.05,
    uptime: 0.1,
    reachability: 0.2,
    version: 0.1,
  },
  smoothingMs: 30_000,
  fullUptimeMs: 600_000,

  promoteScore: 0.75,
  promoteHeldMs: 60_000,
  demoteScore: 0.5,
  demoteHeldMs: 120_000,
  minimumTenureMs: 600_000,
  promotionIntervalMs: 30_000,

  minimumSeats: 3,
  maximumSeats: 64,
  spareSeats: 1,
  growFill: 0.7,
  shrinkFill: 0.4,

  slotCount: 4096,
  boundedLoad: 1.25,
  slowStartWeight: 0.1,
  slowStartMs: 60_000,
  slowStartSteps: 9,

  evaluateIntervalMs: 1_000,
  maxDecisions: 200,
};
