import { expect, it } from '@jest/globals';
import type { Ownership } from '../cluster/ownership.port.ts';
import { slotOf } from '../cluster/slot.ts';
import { callerNamed } from '../identity/testing/callers.ts';
import { describeRedis } from '../redis/testing/describe-redis.ts';
import { RedisResourceIndex } from './resource-index.redis.ts';
import { resourceIndexContract } from './testing/resource-index.contract.ts';

const homeSince = (epoch: number): Pick<Ownership, 'tenureOf'> => ({
  tenureOf: (tenant, userId) => ({ slot: slotOf(tenant, userId), epoch }),
});
const { tenant, userId, deviceId } = callerNamed('alice');
const alice = { tenant, userId, deviceId };
const file = { tenant, kind: 'file', key: 'f00d' };
const held = (expiresAt: number) => ({ device: alice, attributes: {}, expiresAt });

describeRedis('RedisResourceIndex', (lab) => {
  resourceIndexContract(() => new RedisResourceIndex(lab.connection, lab.freshKeys(), homeSince(1)));

  it('takes nothing from an owner that was outranked', async () => {
    const keys = lab.freshKeys();
    const [old, fresh] = [4, 5].map(
      (epoch) => new RedisResourceIndex(lab.connection, keys, homeSince(epoch)),
    );
    await fresh!.announce(file, held(60_000), 10, 0);
    const refused = { code: 'SN_NOT_OWNER' };
    await expect(old!.announce(file, held(90_000), 10, 0)).rejects.toMatchObject(refused);
    await expect(old!.withdraw(file, alice)).rejects.toMatchObject(refused);
    await expect(old!.withdrawAll(alice)).rejects.toMatchObject(refused);
    expect(await fresh!.holders(file, 0)).toEqual([held(60_000)]);
  });

  it('leaves nothing when all is withdrawn, and nothing for ever', async () => {
    const keys = lab.freshKeys();
    const index = new RedisResourceIndex(lab.connection, keys, homeSince(1));
    for (const key of ['one', 'two', 'three']) await index.announce({ ...file, key }, held(60_000), 10, 0);
    expect(lab.stored(keys)).toHaveLength(7);
    expect(lab.storedForEver(keys)).toEqual([]);
    await index.withdraw({ ...file, key: 'one' }, alice);
    await index.withdrawAll(alice);
    expect(lab.stored(keys)).toEqual([]);
  });
});
