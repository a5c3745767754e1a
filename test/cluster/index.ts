export { Cluster, type ClusterOptions } from './cluster.ts';
export { ClusterError, type ClusterErrorCode } from './errors.ts';
export { homeOf, slotOf, type ObservedRoster, type ObservedSeat } from './observed-roster.ts';
export { RedisServer, redisAvailability } from './redis-server.ts';
export { SupernodeNode } from './supernode-node.ts';
export { until } from './waiting.ts';
