import { deviceIdSchema, userIdSchema, type DeviceId, type TenantId, type UserId } from '@parley/protocol';
import type { Ownership, Tenure } from '../cluster/ownership.port.ts';
import { notOwner, requiredTenure } from '../cluster/required-tenure.ts';
import type { DeviceAddress } from '../identity/caller.ts';
import { REMOVED } from '../redis/member-fence.ts';
import type { RedisCommands, RedisReply } from '../redis/redis-commands.ts';
import type { RedisKeys } from '../redis/redis-keys.ts';
import { listOf, textsOf } from '../redis/redis-replies.ts';
import type { RedisScript } from '../redis/redis-script.ts';
import type { WatchStore } from './presence-store.port.ts';
import { ADD_WATCHER, REMOVE_WATCHER, UNWATCH, UNWATCHED, WATCH, WATCHED } from './watch-scripts.ts';

/** Homes renew the watches of their devices several times within it. */
const STORED_MS = 7 * 24 * 3600_000;

/**
 * Watches of all devices of a cluster, indexed both ways. What a device watches is under the fence of its own slot, and always written
 * first. Who watches a user lies in the user's slot, which the watching device's home does not own: so each device there has the epoch
 * of its home, and a step of an earlier home that comes late changes nothing. What is to be taken back there is noted until it was.
 */
export class RedisWatchStore implements WatchStore {
  constructor(
    private readonly redis: RedisCommands,
    private readonly keys: RedisKeys,
    private readonly ownership: Pick<Ownership, 'tenureOf'>,
  ) {}

  async watch(watcher: DeviceAddress, watched: readonly UserId[], limit: number): Promise<boolean> {
    const tenure = this.tenureOf(watcher);
    const args = [String(STORED_MS), String(limit), ...watched];
    if ((await this.write(WATCH, watcher, tenure, args)) !== 1) return false;
    // All, also those that were watched before: whoever wrote that may have died before this step.
    await this.addTo(watched, watcher, tenure);
    return true;
  }

  async unwatch(watcher: DeviceAddress, watched: readonly UserId[]): Promise<void> {
    if (watched.length > 0) await this.end(watcher, watched);
  }

  unwatchAll(watcher: DeviceAddress): Promise<void> {
    return this.end(watcher, []);
  }

  async watchersOf(
    tenant: TenantId,
    watched: UserId,
  ): Promise<readonly { userId: UserId; deviceId: DeviceId }[]> {
    const key = this.keys.watchers(tenant, watched);
    const members = textsOf(await this.redis.command(key, ['HKEYS', key]));
    return members
      .filter((member) => !member.startsWith(REMOVED))
      .map((member) => {
        const [userId, deviceId] = member.split(' ');
        return { userId: userIdSchema.parse(userId), deviceId: deviceIdSchema.parse(deviceId) };
      });
  }

  async renew(watcher: DeviceAddress): Promise<void> {
    const tenure = this.tenureOf(watcher);
    const { watched, unwatched } = await this.read(watcher, tenure);
    await this.addTo(watched, watcher, tenure);
    await this.takeBack(unwatched, watcher, tenure);
  }

  async watchedBy(watcher: DeviceAddress): Promise<readonly UserId[]> {
    return (await this.read(watcher, this.tenureOf(watcher))).watched;
  }

  private async read(
    watcher: DeviceAddress,
    tenure: Tenure,
  ): Promise<{ readonly watched: readonly UserId[]; readonly unwatched: readonly UserId[] }> {
    const reply = await this.write(WATCHED, watcher, tenure, [String(STORED_MS)]);
    const [watched, unwatched] = listOf(reply);
    return { watched: usersIn(watched), unwatched: usersIn(unwatched) };
  }

  private async end(watcher: DeviceAddress, watched: readonly UserId[]): Promise<void> {
    const tenure = this.tenureOf(watcher);
    const ended = await this.write(UNWATCH, watcher, tenure, [String(STORED_MS), ...watched]);
    await this.takeBack(usersIn(ended), watcher, tenure);
  }

  private async addTo(watched: readonly UserId[], watcher: DeviceAddress, { epoch }: Tenure): Promise<void> {
    // After a standstill its successor may have ended the watch so long ago that nothing is known of it.
    if (this.tenureOf(watcher).epoch !== epoch) throw notOwner();
    await this.inEach(ADD_WATCHER, watched, watcher, [String(epoch), memberOf(watcher), String(STORED_MS)]);
  }

  private async takeBack(watched: readonly UserId[], watcher: DeviceAddress, tenure: Tenure): Promise<void> {
    if (watched.length === 0) return;
    await this.inEach(REMOVE_WATCHER, watched, watcher, [String(tenure.epoch), memberOf(watcher)]);
    await this.write(UNWATCHED, watcher, tenure, watched);
  }

  private async inEach(
    script: RedisScript,
    watched: readonly UserId[],
    { tenant }: DeviceAddress,
    args: readonly string[],
  ): Promise<void> {
    await Promise.all(
      watched.map((userId) => {
        const keys = [this.keys.watchers(tenant, userId), this.keys.formerWatchers(tenant, userId)];
        return this.redis.run(script, keys, args);
      }),
    );
  }

  private tenureOf({ tenant, userId }: DeviceAddress): Tenure {
    return requiredTenure(this.ownership, tenant, userId);
  }

  private write(
    script: RedisScript,
    watcher: DeviceAddress,
    { slot, epoch }: Tenure,
    args: readonly string[],
  ): Promise<RedisReply> {
    const keys = [this.keys.fence(slot), this.keys.watched(watcher), this.keys.unwatched(watcher)];
    return this.redis.run(script, keys, [String(epoch), ...args]);
  }
}

function usersIn(reply: RedisReply | undefined): readonly UserId[] {
  return textsOf(reply).map((userId) => userIdSchema.parse(userId));
}

function memberOf({ userId, deviceId }: DeviceAddress): string {
  return `${userId} ${deviceId}`;
}
