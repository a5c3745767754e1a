import { deviceIdSchema, userIdSchema, type DeviceId, type TenantId, type UserId } from '@parley/protocol';
import type { Ownership } from '../cluster/ownership.port.ts';
import { requiredTenure } from '../cluster/required-tenure.ts';
import type { DeviceAddress } from '../identity/caller.ts';
import type { RedisCommands, RedisReply } from '../redis/redis-commands.ts';
import type { RedisKeys } from '../redis/redis-keys.ts';
import { textsOf } from '../redis/redis-replies.ts';
import type { RedisScript } from '../redis/redis-script.ts';
import type { WatchStore } from './presence-store.port.ts';
import { ADD_WATCHER, UNWATCH, WATCH, WATCHED } from './watch-scripts.ts';

/** Homes renew the watches of their devices several times within it. */
const STORED_MS = 7 * 24 * 3600_000;

/**
 * Watches of all devices of a cluster, indexed both ways. What a device watches is under the fence of its own slot. Who watches a
 * user lies in the user's slot, which the watching device's home does not own: it is written after the first step was let through,
 * and taken back before the last.
 */
export class RedisWatchStore implements WatchStore {
  constructor(
    private readonly redis: RedisCommands,
    private readonly keys: RedisKeys,
    private readonly ownership: Pick<Ownership, 'tenureOf'>,
  ) {}

  async watch(watcher: DeviceAddress, watched: readonly UserId[], limit: number): Promise<boolean> {
    const isWithin = await this.write(WATCH, watcher, [String(STORED_MS), String(limit), ...watched]);
    if (isWithin !== 1) return false;
    // All, also those that were watched before: whoever wrote that may have died before this step.
    await this.addTo(watched, watcher);
    return true;
  }

  async unwatch(watcher: DeviceAddress, watched: readonly UserId[]): Promise<void> {
    await this.write(UNWATCH, watcher, watched);
    await this.removeFrom(watched, watcher);
  }

  async unwatchAll(watcher: DeviceAddress): Promise<void> {
    const watched = await this.watchedBy(watcher);
    if (watched.length === 0) return;
    await this.removeFrom(watched, watcher);
    await this.write(UNWATCH, watcher, watched);
  }

  async watchersOf(
    tenant: TenantId,
    watched: UserId,
  ): Promise<readonly { userId: UserId; deviceId: DeviceId }[]> {
    const key = this.keys.watchers(tenant, watched);
    return textsOf(await this.redis.command(key, ['SMEMBERS', key])).map((member) => {
      const [userId, deviceId] = member.split(' ');
      return { userId: userIdSchema.parse(userId), deviceId: deviceIdSchema.parse(deviceId) };
    });
  }

  async renew(watcher: DeviceAddress): Promise<void> {
    await this.addTo(await this.watchedBy(watcher), watcher);
  }

  async watchedBy(watcher: DeviceAddress): Promise<readonly UserId[]> {
    const watched = textsOf(await this.write(WATCHED, watcher, [String(STORED_MS)]));
    return watched.map((userId) => userIdSchema.parse(userId));
  }

  private async addTo(watched: readonly UserId[], watcher: DeviceAddress): Promise<void> {
    const args = [String(STORED_MS), memberOf(watcher)];
    await Promise.all(
      watched.map((userId) =>
        this.redis.run(ADD_WATCHER, [this.keys.watchers(watcher.tenant, userId)], args),
      ),
    );
  }

  private async removeFrom(watched: readonly UserId[], watcher: DeviceAddress): Promise<void> {
    await Promise.all(
      watched.map((userId) => {
        const key = this.keys.watchers(watcher.tenant, userId);
        return this.redis.command(key, ['SREM', key, memberOf(watcher)]);
      }),
    );
  }

  private async write(
    script: RedisScript,
    watcher: DeviceAddress,
    args: readonly string[],
  ): Promise<RedisReply> {
    const { slot, epoch } = requiredTenure(this.ownership, watcher.tenant, watcher.userId);
    return this.redis.run(
      script,
      [this.keys.fence(slot), this.keys.watched(watcher)],
      [String(epoch), ...args],
    );
  }
}

function memberOf({ userId, deviceId }: DeviceAddress): string {
  return `${userId} ${deviceId}`;
}
