import { randomUUID } from 'node:crypto';
import type { ClusterConfig } from '../config/config.schema.ts';
import type { NodeId } from './node-record.ts';

/** The name under which this supernode is known for this run; the operator's, or one that nobody had before. */
export const NODE_ID = Symbol('NodeId');

export function nodeIdOf(config: Pick<ClusterConfig, 'nodeId'>): NodeId {
  return config.nodeId ?? randomUUID();
}
