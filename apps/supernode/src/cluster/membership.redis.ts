import type { RedisCommands } from '../redis/redis-commands.ts';
import type { RedisKeys } from '../redis/redis-keys.ts';
import { textsOf } from '../redis/redis-replies.ts';
import {
  HOLD_COORDINATOR,
  LIST_LEASES,
  RELEASE_COORDINATOR,
  RELEASE_LEASE,
  RENEW_LEASE,
} from './membership-scripts.ts';
import type { CoordinatorLease, MembershipStore } from './membership.port.ts';
import type { NodeId, NodeRecord } from './node-record.ts';

/** Leases of the supernodes of a cluster. Every operation is one round trip. */
export class RedisMembershipStore implements MembershipStore {
  private readonly both: readonly [string, string];

  constructor(
    private readonly redis: RedisCommands,
    keys: RedisKeys,
  ) {
    this.both = [keys.nodeRecords, keys.nodeLeases];
  }

  async renew(record: NodeRecord, ttlMs: number): Promise<boolean> {
    const args = [record.nodeId, String(record.incarnation), JSON.stringify(record), String(ttlMs)];
    return (await this.redis.run(RENEW_LEASE, this.both, args)) === 1;
  }

  async release(nodeId: NodeId, incarnation: number): Promise<void> {
    await this.redis.run(RELEASE_LEASE, this.both, [nodeId, String(incarnation)]);
  }

  async list(): Promise<readonly NodeRecord[]> {
    const stored = textsOf(await this.redis.run(LIST_LEASES, this.both, []));
    return stored.map((one) => JSON.parse(one.slice(one.indexOf(' ') + 1)) as NodeRecord);
  }
}

/** The lease of the coordinator of a cluster. Every operation is one round trip. */
export class RedisCoordinatorLease implements CoordinatorLease {
  constructor(
    private readonly redis: RedisCommands,
    private readonly keys: RedisKeys,
  ) {}

  async hold(nodeId: NodeId, incarnation: number, ttlMs: number): Promise<boolean> {
    const args = [`${incarnation} ${nodeId}`, String(ttlMs)];
    return (await this.redis.run(HOLD_COORDINATOR, [this.keys.coordinator], args)) === 1;
  }

  async release(nodeId: NodeId, incarnation: number): Promise<void> {
    await this.redis.run(RELEASE_COORDINATOR, [this.keys.coordinator], [`${incarnation} ${nodeId}`]);
  }

  async holder(): Promise<NodeId | undefined> {
    const holder = await this.redis.command(this.keys.coordinator, ['GET', this.keys.coordinator]);
    return typeof holder === 'string' ? holder.slice(holder.indexOf(' ') + 1) : undefined;
  }
}
