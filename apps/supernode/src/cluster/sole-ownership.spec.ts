import { describe, expect, it } from '@jest/globals';
import { tenantIdSchema, userIdSchema } from '@parley/protocol';
import { OwnAddresses } from './own-addresses.ts';
import { slotOf } from './slot.ts';
import { SoleOwnership } from './sole-ownership.ts';

const TENANT = tenantIdSchema.parse('default');
const USER = userIdSchema.parse('user-one');

describe('SoleOwnership', () => {
  it('is the home of everybody, under the epoch of this start', () => {
    const ownership = new SoleOwnership('alone', 7, new OwnAddresses());

    expect(ownership.ownerOf()).toBe('alone');
    expect(ownership.activeNodes()).toEqual(['alone']);
    expect(ownership.tenureOf(TENANT, USER)).toEqual({ slot: slotOf(TENANT, USER), epoch: 7 });
    expect(ownership.tenureOfSlot(4095)).toEqual({ slot: 4095, epoch: 7 });
  });

  it('names a home once it is known how to reach it', () => {
    const addresses = new OwnAddresses();
    const ownership = new SoleOwnership('alone', 7, addresses);

    expect(ownership.homesOf()).toEqual([]);

    addresses.publish({ edge: 'http://192.0.2.1:8080', stun: null });
    expect(ownership.homesOf()).toEqual(['http://192.0.2.1:8080']);
  });
});
