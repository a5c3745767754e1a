import { LIMITS, type DeviceId, type TenantId } from '@parley/protocol';
import type { NodeId } from '../cluster/node-record.ts';
import type { RedisCommands } from '../redis/redis-commands.ts';
import type { RedisKeys } from '../redis/redis-keys.ts';
import type { WaitingPlaces } from './waiting-places.port.ts';

/** Devices that wait anywhere in a cluster. The last place counts: a device that tries again elsewhere waits there. */
export class RedisWaitingPlaces implements WaitingPlaces {
  constructor(
    private readonly redis: RedisCommands,
    private readonly keys: RedisKeys,
    private readonly self: NodeId,
  ) {}

  async note(tenant: TenantId, deviceId: DeviceId): Promise<void> {
    const key = this.keys.waitingDevice(tenant, deviceId);
    await this.redis.command(key, ['SET', key, this.self, 'PX', String(LIMITS.linkLifetimeMs)]);
  }

  async find(tenant: TenantId, deviceId: DeviceId): Promise<NodeId | undefined> {
    const key = this.keys.waitingDevice(tenant, deviceId);
    const place = await this.redis.command(key, ['GET', key]);
    return typeof place === 'string' ? place : undefined;
  }
}
