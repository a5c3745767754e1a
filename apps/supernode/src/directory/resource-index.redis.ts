import type { Ownership } from '../cluster/ownership.port.ts';
import { requiredTenure } from '../cluster/required-tenure.ts';
import { deviceKey, type DeviceAddress } from '../identity/caller.ts';
import type { RedisCommands, RedisReply } from '../redis/redis-commands.ts';
import type { RedisKeys } from '../redis/redis-keys.ts';
import { listOf, textsOf } from '../redis/redis-replies.ts';
import type { RedisScript } from '../redis/redis-script.ts';
import {
  MAX_HOLDERS_READ,
  type ResourceHolder,
  type ResourceIndex,
  type ResourceName,
} from './resource-index.port.ts';
import { ADD_HOLDER, OFFER, READ_HOLDERS, REMOVE_HOLDER, WITHDRAW_OFFERS } from './resource-scripts.ts';

const SEPARATOR = '\u0000';

/**
 * The resource index of a cluster. What a device offers lies in its slot, under its fence; who offers a resource lies with the resource,
 * spread over all servers of a Redis Cluster by its name, and is written after the first step was let through.
 */
export class RedisResourceIndex implements ResourceIndex {
  constructor(
    private readonly redis: RedisCommands,
    private readonly keys: RedisKeys,
    private readonly ownership: Pick<Ownership, 'tenureOf'>,
  ) {}

  async announce(name: ResourceName, holder: ResourceHolder, limit: number, now: number): Promise<boolean> {
    const resource = resourceOf(name);
    const { device, expiresAt } = holder;
    const [time, end] = [String(now), String(expiresAt)];
    const isWithin = await this.write(OFFER, device, [time, String(limit), resource, end]);
    if (isWithin !== 1) return false;
    const facts = JSON.stringify({ ...holder, device: addressOf(device) });
    await this.redis.run(ADD_HOLDER, this.holderKeys(resource), [time, deviceKey(device), end, facts]);
    return true;
  }

  async withdraw(name: ResourceName, device: DeviceAddress): Promise<void> {
    const resource = resourceOf(name);
    await this.write(WITHDRAW_OFFERS, device, [resource]);
    await this.removeHolder(resource, device);
  }

  async withdrawAll(device: DeviceAddress): Promise<void> {
    const offered = textsOf(await this.write(WITHDRAW_OFFERS, device, []));
    if (offered.length === 0) return;
    await Promise.all(offered.map((resource) => this.removeHolder(resource, device)));
    await this.write(WITHDRAW_OFFERS, device, offered);
  }

  async holders(name: ResourceName, now: number): Promise<readonly ResourceHolder[]> {
    const args = [String(now), String(MAX_HOLDERS_READ)];
    const found = listOf(await this.redis.run(READ_HOLDERS, this.holderKeys(resourceOf(name)), args));
    return found
      .filter((facts) => typeof facts === 'string')
      .map((facts) => JSON.parse(facts) as ResourceHolder);
  }

  /** Redis forgets by itself, and what it has not forgotten yet nobody is given. */
  expire(): Promise<void> {
    return Promise.resolve();
  }

  private async removeHolder(resource: string, device: DeviceAddress): Promise<void> {
    await this.redis.run(REMOVE_HOLDER, this.holderKeys(resource), [deviceKey(device)]);
  }

  private holderKeys(resource: string): readonly [string, string] {
    return [this.keys.holders(resource), this.keys.holderFacts(resource)];
  }

  private async write(
    script: RedisScript,
    device: DeviceAddress,
    args: readonly string[],
  ): Promise<RedisReply> {
    const { slot, epoch } = requiredTenure(this.ownership, device.tenant, device.userId);
    const keys = [this.keys.fence(slot), this.keys.offeredBy(device)];
    return this.redis.run(script, keys, [String(epoch), ...args]);
  }
}

function resourceOf({ tenant, kind, key }: ResourceName): string {
  return [tenant, kind, key].join(SEPARATOR);
}

/** Callers have more to them than an address. */
function addressOf({ tenant, userId, deviceId }: DeviceAddress): DeviceAddress {
  return { tenant, userId, deviceId };
}
