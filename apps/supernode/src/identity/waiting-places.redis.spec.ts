import { expect, it } from '@jest/globals';
import { DEFAULT_TENANT, tenantIdSchema } from '@parley/protocol';
import { describeRedis } from '../redis/testing/describe-redis.ts';
import { SigningDevice } from './testing/signing-device.ts';
import { waitingPlacesContract } from './testing/waiting-places.contract.ts';
import { RedisWaitingPlaces } from './waiting-places.redis.ts';

describeRedis('RedisWaitingPlaces', (lab) => {
  waitingPlacesContract((self) => new RedisWaitingPlaces(lab.connection, lab.freshKeys(), self));

  it('tells every supernode where a device waits now', async () => {
    const keys = lab.freshKeys();
    const [a, b] = ['a', 'b'].map((self) => new RedisWaitingPlaces(lab.connection, keys, self));
    const { deviceId } = new SigningDevice();
    expect(await a!.find(DEFAULT_TENANT, deviceId)).toBeUndefined();

    await a!.note(DEFAULT_TENANT, deviceId);
    expect(await b!.find(DEFAULT_TENANT, deviceId)).toBe('a');
    await b!.note(DEFAULT_TENANT, deviceId);

    expect(await a!.find(DEFAULT_TENANT, deviceId)).toBe('b');
    expect(await a!.find(tenantIdSchema.parse('other'), deviceId)).toBeUndefined();
    const key = keys.waitingDevice(DEFAULT_TENANT, deviceId);
    expect(await lab.connection.command(key, ['PTTL', key])).toBeGreaterThan(500_000);
  });
});
