import { deviceIdSchema, tenantIdSchema, userIdSchema, type TenantId, type UserId } from '@parley/protocol';
import type { Ownership } from '../cluster/ownership.port.ts';
import { requiredTenure } from '../cluster/required-tenure.ts';
import { slotOf, type Slot } from '../cluster/slot.ts';
import { userKey, type DeviceAddress } from '../identity/caller.ts';
import type { RedisCommands, RedisReply } from '../redis/redis-commands.ts';
import type { RedisKeys } from '../redis/redis-keys.ts';
import { listOf, numberOf, textsOf } from '../redis/redis-replies.ts';
import type { RedisScript } from '../redis/redis-script.ts';
import { PUT_PRESENCE, READ_PRESENCE, REMOVE_PRESENCE, RENEW_PRESENCE } from './presence-scripts.ts';
import type {
  DevicePresence,
  PresenceFilter,
  PresenceStore,
  StoredUser,
  UserPresence,
} from './presence-store.port.ts';

/** A home renews what it stores several times within it; what nobody renews has no home. */
const STORED_MS = 48 * 3600_000;
/** How long the counter of a user without devices is kept, against a clock of Redis that is set back. */
const COUNTER_MS = 3600_000;

const DEVICE_FIELD = 'd:';

/** Presence of all users of a cluster. Every write takes one round trip; the first and the last device of a user take two. */
export class RedisPresenceStore implements PresenceStore {
  constructor(
    private readonly redis: RedisCommands,
    private readonly keys: RedisKeys,
    private readonly ownership: Pick<Ownership, 'tenureOf'>,
  ) {}

  async put({ device, ...presence }: DevicePresence): Promise<void> {
    const { tenant, userId, deviceId } = device;
    const stored = JSON.stringify(presence);
    const isNew = await this.write(PUT_PRESENCE, tenant, userId, STORED_MS, [deviceId, stored]);
    if (isNew === 1) await this.list(tenant, userId);
  }

  async remove({ tenant, userId, deviceId }: DeviceAddress): Promise<void> {
    const wasLast = await this.write(REMOVE_PRESENCE, tenant, userId, COUNTER_MS, [deviceId]);
    if (wasLast === 1) await this.unlist(tenant, userId);
  }

  async renew(tenant: TenantId, userId: UserId): Promise<void> {
    const isStored = await this.write(RENEW_PRESENCE, tenant, userId, STORED_MS, []);
    // Listing is a step of its own, before which a supernode may have died.
    if (isStored === 1) await this.list(tenant, userId);
  }

  async read(tenant: TenantId, userId: UserId): Promise<UserPresence> {
    const [fence, user] = this.keysOf(tenant, userId);
    const [epoch, counter, fields] = listOf(await this.redis.run(READ_PRESENCE, [fence, user], []));
    // Redis may have lost the fence; the home still knows its epoch.
    const own = this.ownership.tenureOf(tenant, userId)?.epoch ?? 0;
    return {
      devices: devicesIn(tenant, userId, textsOf(fields)),
      version: { epoch: Math.max(numberOf(epoch), own), counter: numberOf(counter) },
    };
  }

  async devicesOf(tenant: TenantId, userId: UserId): Promise<readonly DevicePresence[]> {
    return (await this.read(tenant, userId)).devices;
  }

  async users({ tenant, after, limit }: PresenceFilter): Promise<readonly UserId[]> {
    const found: UserId[] = [];
    let from = after === undefined ? '-' : `(${after}`;
    while (found.length < limit) {
      const listed = await this.listed(tenant, from, limit - found.length);
      const present = await Promise.all(listed.map((userId) => this.isPresent(tenant, userId)));
      found.push(...listed.filter((_, index) => present[index]));
      await Promise.all(
        listed.filter((_, index) => !present[index]).map((userId) => this.unlist(tenant, userId)),
      );
      const last = listed.at(-1);
      if (last === undefined) break;
      from = `(${last}`;
    }
    return found;
  }

  async usersOfSlot(slot: Slot): Promise<readonly StoredUser[]> {
    const key = this.keys.presentUsers(slot);
    return textsOf(await this.redis.command(key, ['SMEMBERS', key])).map((member) => {
      const [tenant, userId] = member.split(' ');
      return { tenant: tenantIdSchema.parse(tenant), userId: userIdSchema.parse(userId) };
    });
  }

  private async listed(tenant: TenantId, from: string, limit: number): Promise<readonly UserId[]> {
    const key = this.keys.presentUsersOf(tenant);
    const reply = await this.redis.command(key, [
      'ZRANGE',
      key,
      from,
      '+',
      'BYLEX',
      'LIMIT',
      '0',
      String(limit),
    ]);
    return textsOf(reply).map((userId) => userIdSchema.parse(userId));
  }

  private async list(tenant: TenantId, userId: UserId): Promise<void> {
    const key = this.keys.presentUsersOf(tenant);
    await Promise.all([
      this.redis.command(key, ['ZADD', key, '0', userId]),
      this.redis.command(key, ['PEXPIRE', key, String(STORED_MS)]),
    ]);
  }

  /** The list is on another server than the user: whoever takes a user off it looks again whether the user came back meanwhile. */
  private async unlist(tenant: TenantId, userId: UserId): Promise<void> {
    const key = this.keys.presentUsersOf(tenant);
    await this.redis.command(key, ['ZREM', key, userId]);
    if (await this.isPresent(tenant, userId)) await this.list(tenant, userId);
  }

  private async isPresent(tenant: TenantId, userId: UserId): Promise<boolean> {
    const [, , present] = this.keysOf(tenant, userId);
    return (await this.redis.command(present, ['SISMEMBER', present, userKey(tenant, userId)])) === 1;
  }

  private async write(
    script: RedisScript,
    tenant: TenantId,
    userId: UserId,
    ttlMs: number,
    further: readonly string[],
  ): Promise<RedisReply> {
    const { epoch } = requiredTenure(this.ownership, tenant, userId);
    const args = [String(epoch), String(ttlMs), userKey(tenant, userId), ...further];
    return this.redis.run(script, this.keysOf(tenant, userId), args);
  }

  /** The fence of the slot, the user, and the users of the slot. */
  private keysOf(tenant: TenantId, userId: UserId): readonly [string, string, string] {
    const slot = slotOf(tenant, userId);
    return [this.keys.fence(slot), this.keys.presence(tenant, userId), this.keys.presentUsers(slot)];
  }
}

function devicesIn(tenant: TenantId, userId: UserId, fields: readonly string[]): DevicePresence[] {
  const devices: DevicePresence[] = [];
  for (let index = 0; index + 1 < fields.length; index += 2) {
    const [field = '', stored = ''] = fields.slice(index, index + 2);
    if (!field.startsWith(DEVICE_FIELD)) continue;
    const deviceId = deviceIdSchema.parse(field.slice(DEVICE_FIELD.length));
    const presence = JSON.parse(stored) as Omit<DevicePresence, 'device'>;
    devices.push({ ...presence, device: { tenant, userId, deviceId } });
  }
  return devices;
}
