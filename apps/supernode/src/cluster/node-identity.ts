import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import type { NodeId } from './node-record.ts';

/** The name under which this supernode is known for this run; the operator's, or one that nobody had before. */
export const NODE_ID = Symbol('NodeId');

/** Names that operators may give. */
export const NODE_ID_PATTERN = /^[A-Za-z0-9][A-Za-z0-9.-]{0,63}$/;

/** Who this run of the supernode is among those of a cluster. */
export interface ClusterMember {
  readonly nodeId: NodeId;
  /** Grows with each start under this node id. */
  readonly incarnation: number;
  readonly clusterId: string;
}

/** A {@link ClusterMember}, or null where one supernode runs alone. */
export const CLUSTER_MEMBER = Symbol('ClusterMember');

export function nodeIdOf(config: { readonly nodeId: string | undefined }): NodeId {
  return config.nodeId ?? randomUUID();
}

/** The version that this supernode publishes of itself. */
export function ownVersion(): string {
  const { version } = createRequire(import.meta.url)('../../package.json') as { readonly version: string };
  return version;
}
