import { describe, expect, it } from '@jest/globals';
import {
  DEFAULT_TENANT,
  encodeBase64url,
  type DeviceList,
  type ListedDevice,
  type Signed,
  type UserId,
} from '@parley/protocol';
import { extendChain, findDevice, selfNamedUserId, type DeviceListPin } from './device-list-chain.ts';
import { deviceIdOf, generateKeyPair, importKeyPair, type KeyPair } from './keys.ts';
import { payloadHash, signPayload } from './signing.ts';

const newKey = () => importKeyPair('Ed25519', generateKeyPair('Ed25519'));
const text = (key: KeyPair) => encodeBase64url(key.publicKey);
const entry = (key: KeyPair, name: string): ListedDevice => ({
  key: text(key),
  agreementKey: text(newKey()),
  name,
  addedAt: 1,
});

const root = newKey();
const recovery = newKey();
const phone = newKey();
const laptop = newKey();
const stranger = newKey();
const userId = selfNamedUserId(root.publicKey);
const owner = { tenant: DEFAULT_TENANT, userId };

function firstList(change: Partial<DeviceList> = {}, signer = root): Signed {
  const list: DeviceList = {
    ...owner,
    version: 1,
    previous: null,
    rootKey: text(root),
    recoveryKey: text(recovery),
    devices: [entry(phone, 'phone')],
    issuedAt: 1,
    ...change,
  };
  return signPayload('deviceList', list, signer);
}

function nextList(
  previous: Signed,
  version: number,
  devices: ListedDevice[],
  signer: KeyPair,
  change: Partial<DeviceList> = {},
) {
  return firstList({ version, previous: payloadHash(previous), devices, ...change }, signer);
}

const one = firstList();
const both = [entry(phone, 'phone'), entry(laptop, 'laptop')];
const two = nextList(one, 2, both, phone);
const pinOf = (...lists: Signed[]): DeviceListPin => extendChain(owner, undefined, lists) as DeviceListPin;

describe('the chain of device lists (DESIGN 6.2)', () => {
  it('accepts a first list by the root key, additions by a listed device, and removals', () => {
    const three = nextList(two, 3, [entry(laptop, 'laptop')], laptop);

    const pin = pinOf(one, two, three);

    expect(pin).toMatchObject({ version: 3, rootKey: text(root), hash: payloadHash(three) });
    expect(findDevice(pin, deviceIdOf(laptop.publicKey))?.name).toBe('laptop');
    expect(findDevice(pin, deviceIdOf(phone.publicKey))).toBeUndefined();
  });

  it('goes on from a pin as from the whole chain', () => {
    expect(extendChain(owner, pinOf(one), [two])).toEqual(pinOf(one, two));
    expect(extendChain(owner, pinOf(one), [])).toEqual(pinOf(one));
  });

  it('accepts the recovery key of the version before, and then only the new one', () => {
    const nextRecovery = newKey();
    const recovered = nextList(one, 2, [entry(laptop, 'laptop')], recovery, {
      recoveryKey: text(nextRecovery),
    });
    const byOldKey = nextList(recovered, 3, both, recovery);

    expect(pinOf(one, recovered).version).toBe(2);
    expect(() => pinOf(one, recovered, byOldKey)).toThrow(
      expect.objectContaining({ code: 'EDGE_GHOST_DEVICE' }),
    );
  });

  it('tells a ghost device: one that a key adds which may not sign', () => {
    const ghost = nextList(one, 2, [entry(phone, 'phone'), entry(stranger, 'ghost')], stranger);

    expect(() => pinOf(one, ghost)).toThrow(expect.objectContaining({ code: 'EDGE_GHOST_DEVICE' }));
  });

  it('refuses the root key after version 1: nobody should have it any more', () => {
    const byRoot = nextList(one, 2, both, root);

    expect(() => pinOf(one, byRoot)).toThrow(expect.objectContaining({ code: 'EDGE_GHOST_DEVICE' }));
  });

  it('refuses another root key', () => {
    const otherRoot = newKey();
    const changed = nextList(one, 2, both, phone, { rootKey: text(otherRoot) });

    expect(() => pinOf(one, changed)).toThrow(expect.objectContaining({ code: 'EDGE_ROOT_CHANGED' }));
  });

  it('refuses to go back', () => {
    expect(() => extendChain(owner, pinOf(one, two), [one])).toThrow(
      expect.objectContaining({ code: 'EDGE_DEVICE_LIST_ROLLBACK' }),
    );
    expect(() => extendChain(owner, pinOf(one, two), [nextList(one, 2, both, phone)])).toThrow(
      expect.objectContaining({ code: 'EDGE_DEVICE_LIST_ROLLBACK' }),
    );
  });

  it.each<[string, () => Signed[]]>([
    ['begins in the middle', () => [two]],
    ['leaves a version out', () => [one, nextList(one, 3, both, phone)]],
    ['does not name the version before', () => [one, nextList(two, 2, both, phone)]],
    ['is of another user', () => [firstList({ userId: 'other' as UserId })]],
    ['is of another tenant', () => [firstList({ tenant: 'other' as typeof DEFAULT_TENANT })]],
    ['has a first version by a device', () => [firstList({}, phone)]],
    [
      'has a root key that the user id does not name',
      () => [firstList({ rootKey: text(stranger) }, stranger)],
    ],
    ['lists a device twice', () => [firstList({ devices: [entry(phone, 'a'), entry(phone, 'b')] })]],
    ['has a broken signature', () => [{ ...one, signature: two.signature }]],
    ['was signed for another purpose', () => [signPayload('sessionOffer', JSON.parse('{}'), root)]],
    [
      'removes a device without the right to',
      () => [one, two, nextList(two, 3, [entry(phone, 'phone')], stranger)],
    ],
  ])('refuses a chain that %s', (_what, lists) => {
    expect(() => pinOf(...lists())).toThrow(expect.objectContaining({ code: 'EDGE_DEVICE_LIST_INVALID' }));
  });

  it('lets the app name users: then the first root key is trusted on first use', () => {
    const app = { tenant: DEFAULT_TENANT, userId: 'employee-7' as UserId };
    const list = firstList({ userId: app.userId });

    expect(extendChain(app, undefined, [list])?.version).toBe(1);
  });
});
