/** The cluster core, or null where one supernode runs alone. */
export const CLUSTER_CORE = Symbol('ClusterCore');

/** By which the core is asked. Only in a cluster. */
export const CLUSTER_CLOCK = Symbol('ClusterClock');
