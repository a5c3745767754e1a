import { LIMITS, tenantIdSchema } from '@parley/protocol';
import type { Ownership, Tenure } from '../cluster/ownership.port.ts';
import { notOwner, requiredTenure } from '../cluster/required-tenure.ts';
import { deviceKey, type DeviceAddress } from '../identity/caller.ts';
import type { RedisCommands, RedisReply } from '../redis/redis-commands.ts';
import type { RedisKeys } from '../redis/redis-keys.ts';
import { listOf, numberOf, textOf, textsOf } from '../redis/redis-replies.ts';
import type { RedisScript } from '../redis/redis-script.ts';
import {
  MAX_HOLDERS_READ,
  type ResourceHolder,
  type ResourceIndex,
  type ResourceName,
  type ResourceOffer,
} from './resource-index.port.ts';
import {
  ADD_HOLDER,
  OFFER,
  READ_HOLDERS,
  READ_OFFERS,
  REMOVE_HOLDER,
  WITHDRAW,
  WITHDRAWN,
} from './resource-scripts.ts';

const SEPARATOR = '\u0000';
/** By then what a resource has of the device is over anyway. */
const WITHDRAWN_MS = LIMITS.maxResourceTtlMs;

/** What is stored of a holder. */
type StoredFacts = Pick<ResourceHolder, 'device' | 'attributes'>;

/**
 * The resource index of a cluster. What a device offers lies in its slot, under its fence, and is always written first; who offers a
 * resource lies with the resource, spread over all servers of a Redis Cluster by its name. Each device there has the epoch of its home, so
 * that a step of an earlier home that comes late changes nothing.
 */
export class RedisResourceIndex implements ResourceIndex {
  constructor(
    private readonly redis: RedisCommands,
    private readonly keys: RedisKeys,
    private readonly ownership: Pick<Ownership, 'tenureOf'>,
  ) {}

  async announce(name: ResourceName, holder: ResourceHolder, limit: number): Promise<boolean> {
    const resource = resourceOf(name);
    const { device, attributes } = holder;
    const ttl = String(holder.ttlMs);
    const tenure = this.tenureOf(device);
    const isWithin = await this.write(OFFER, device, tenure, [ttl, String(limit), resource]);
    if (isWithin !== 1) return false;
    // After a standstill its successor may have withdrawn it so long ago that nothing is known of it.
    if (this.tenureOf(device).epoch !== tenure.epoch) throw notOwner();
    const facts: StoredFacts = { device: addressOf(device), attributes };
    const args = [String(tenure.epoch), deviceKey(device), ttl, JSON.stringify(facts)];
    await this.redis.run(ADD_HOLDER, this.holderKeys(resource), args);
    return true;
  }

  withdraw(name: ResourceName, device: DeviceAddress): Promise<void> {
    return this.end(device, [resourceOf(name)]);
  }

  withdrawAll(device: DeviceAddress): Promise<void> {
    return this.end(device, []);
  }

  async holders(name: ResourceName): Promise<readonly ResourceHolder[]> {
    const keys = this.holderKeys(resourceOf(name));
    const found = listOf(await this.redis.run(READ_HOLDERS, keys, [String(MAX_HOLDERS_READ)]));
    return found.map((reply) => {
      const [left, facts] = listOf(reply);
      return { ...(JSON.parse(textOf(facts)) as StoredFacts), ttlMs: numberOf(left) };
    });
  }

  async offersOf(device: DeviceAddress): Promise<readonly ResourceOffer[]> {
    const offered = listOf(await this.redis.run(READ_OFFERS, [this.keys.offeredBy(device)], []));
    const offers = await Promise.all(
      offered.map(async (reply) => {
        const [resource, left] = listOf(reply);
        const key = this.keys.holderFacts(textOf(resource));
        const facts = factsIn(await this.redis.command(key, ['HGET', key, deviceKey(device)]));
        return (
          facts && { name: nameIn(textOf(resource)), attributes: facts.attributes, ttlMs: numberOf(left) }
        );
      }),
    );
    return offers.filter((offer) => offer !== undefined);
  }

  /** Redis forgets by itself, and what it has not forgotten yet nobody is given. */
  expire(): Promise<void> {
    return Promise.resolve();
  }

  private async end(device: DeviceAddress, resources: readonly string[]): Promise<void> {
    const tenure = this.tenureOf(device);
    const ended = await this.write(WITHDRAW, device, tenure, [String(WITHDRAWN_MS), ...resources]);
    const withdrawn = textsOf(ended);
    if (withdrawn.length === 0) return;
    const args = [String(tenure.epoch), deviceKey(device)];
    await Promise.all(
      withdrawn.map((resource) => this.redis.run(REMOVE_HOLDER, this.holderKeys(resource), args)),
    );
    await this.write(WITHDRAWN, device, tenure, withdrawn);
  }

  private holderKeys(resource: string): readonly string[] {
    return [this.keys.holderFacts(resource), this.keys.formerHolders(resource), this.keys.holders(resource)];
  }

  private tenureOf({ tenant, userId }: DeviceAddress): Tenure {
    return requiredTenure(this.ownership, tenant, userId);
  }

  private write(
    script: RedisScript,
    device: DeviceAddress,
    { slot, epoch }: Tenure,
    args: readonly string[],
  ): Promise<RedisReply> {
    const keys = [this.keys.fence(slot), this.keys.offeredBy(device), this.keys.withdrawnBy(device)];
    return this.redis.run(script, keys, [String(epoch), ...args]);
  }
}

function resourceOf({ tenant, kind, key }: ResourceName): string {
  return [tenant, kind, key].join(SEPARATOR);
}

/** Keys may hold any character. */
function nameIn(resource: string): ResourceName {
  const [tenant, kind = '', ...key] = resource.split(SEPARATOR);
  return { tenant: tenantIdSchema.parse(tenant), kind, key: key.join(SEPARATOR) };
}

/** Undefined of a device that is no holder, or no more. */
function factsIn(reply: RedisReply): StoredFacts | undefined {
  if (typeof reply !== 'string') return undefined;
  return JSON.parse(reply.slice(reply.indexOf(' ') + 1)) as StoredFacts;
}

/** Callers have more to them than an address. */
function addressOf({ tenant, userId, deviceId }: DeviceAddress): DeviceAddress {
  return { tenant, userId, deviceId };
}
