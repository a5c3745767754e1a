import { describe, expect, it } from '@jest/globals';
import { encodePayload, tenantIdSchema, userIdSchema, type DeviceList, type Signed } from '@parley/protocol';
import {
  readStoredList,
  verifyDeviceList,
  type ChainFault,
  type KnownDeviceList,
} from './device-list-chain.ts';
import { SigningAccount, SigningDevice, SigningKey } from './testing/signing-device.ts';

const laptop = new SigningDevice();
const phone = new SigningDevice();
const stranger = new SigningDevice();

/** An account with its first list, which names the laptop. */
function accountWithLaptop(): { account: SigningAccount; first: KnownDeviceList } {
  const account = new SigningAccount();
  const result = verifyDeviceList(account.next([laptop]), account, undefined);
  if (!result.ok) throw new TypeError(result.fault);
  return { account, first: result.verified };
}

function faultOf(
  signed: Signed,
  account: SigningAccount,
  previous: KnownDeviceList | undefined,
): ChainFault | undefined {
  const result = verifyDeviceList(signed, account, previous);
  return result.ok ? undefined : result.fault;
}

describe('verifyDeviceList › version 1', () => {
  it('is signed by the root key', () => {
    const account = new SigningAccount();

    const result = verifyDeviceList(account.next([laptop]), account, undefined);

    expect(result).toMatchObject({
      ok: true,
      verified: {
        signedBy: 'root',
        deviceIds: new Set([laptop.deviceId]),
        list: { version: 1, previous: null },
      },
    });
  });

  const refusals: [string, ChainFault, (account: SigningAccount) => Signed][] = [
    [
      'signed by a device in place of the root key',
      'unentitled-signer',
      (a) => laptop.sign('deviceList', a.draft([laptop])),
    ],
    [
      'signed by the recovery key',
      'unentitled-signer',
      (a) => a.recoveryKey.sign('deviceList', a.draft([laptop])),
    ],
    [
      'signed in another context',
      'bad-signature',
      (a) => a.rootKey.sign('authentication', a.draft([laptop])),
    ],
    [
      'with another payload under the signature',
      'bad-signature',
      (a) => ({
        ...a.rootKey.sign('deviceList', a.draft([laptop])),
        payload: stranger.sign('deviceList', a.draft([laptop, stranger])).payload,
      }),
    ],
    ['that claims another signer', 'bad-signature', (a) => ({ ...a.next([laptop]), signer: stranger.key })],
    ['whose signer is no key', 'bad-signature', (a) => ({ ...a.next([laptop]), signer: 'AA' })],
    ['that is no JSON', 'malformed', (a) => a.rootKey.signBytes('deviceList', Buffer.from('{'))],
    ['that is no UTF-8', 'malformed', (a) => a.rootKey.signBytes('deviceList', Uint8Array.of(0xff, 0xfe))],
    ['of another shape', 'malformed', (a) => a.rootKey.sign('deviceList', { version: 1 })],
    [
      'of another tenant',
      'wrong-user',
      (a) => a.rootKey.sign('deviceList', a.draft([laptop], { tenant: tenantIdSchema.parse('other') })),
    ],
    [
      'of another user',
      'wrong-user',
      (a) => a.rootKey.sign('deviceList', a.draft([laptop], { userId: userIdSchema.parse('bob') })),
    ],
    [
      'that skips to version 2',
      'version-skipped',
      (a) => a.rootKey.sign('deviceList', a.draft([laptop], { version: 2 })),
    ],
    [
      'that names a version before it',
      'wrong-previous',
      (a) => a.rootKey.sign('deviceList', a.draft([laptop], { previous: a.rootKey.key })),
    ],
    [
      'that names one device twice',
      'duplicate-device',
      (a) => a.rootKey.sign('deviceList', a.draft([laptop, laptop])),
    ],
  ];
  it.each(refusals)('refuses a list %s (%s)', (_what, fault, make) => {
    const account = new SigningAccount();

    expect(faultOf(make(account), account, undefined)).toBe(fault);
  });

  it('refuses a user id of open registration that is not of the root key', () => {
    const victim = new SigningAccount();
    const forger = new SigningAccount(undefined, victim.userId);

    expect(faultOf(forger.next([stranger]), forger, undefined)).toBe('user-id-not-of-root');
  });

  it('takes any root key for a user id that the app gave out', () => {
    const account = new SigningAccount(undefined, userIdSchema.parse('ada@example.org'));

    expect(faultOf(account.next([laptop]), account, undefined)).toBeUndefined();
  });
});

describe('verifyDeviceList › later versions', () => {
  it('are signed by a device of the version before', () => {
    const { account, first } = accountWithLaptop();

    const result = verifyDeviceList(account.next([laptop, phone], laptop), account, first);

    expect(result).toMatchObject({
      ok: true,
      verified: { signedBy: 'device', list: { version: 2, previous: first.hash } },
    });
  });

  it('are signed by the recovery key of the version before', () => {
    const { account, first } = accountWithLaptop();

    const result = verifyDeviceList(account.next([phone], account.recoveryKey), account, first);

    expect(result).toMatchObject({ ok: true, verified: { signedBy: 'recovery' } });
  });

  it('may change the recovery key, and the old one signs no more', () => {
    const { account, first } = accountWithLaptop();
    const newRecovery = new SigningKey();
    const second = verifyDeviceList(
      laptop.sign('deviceList', account.draft([laptop], { recoveryKey: newRecovery.key })),
      account,
      first,
    );
    if (!second.ok) throw new TypeError(second.fault);
    account.versions.push(second.verified.signed);

    const byOld = account.recoveryKey.sign('deviceList', account.draft([stranger]));
    const byNew = newRecovery.sign('deviceList', account.draft([phone]));

    expect(faultOf(byOld, account, second.verified)).toBe('unentitled-signer');
    expect(faultOf(byNew, account, second.verified)).toBeUndefined();
  });

  const refusals: [string, ChainFault, (account: SigningAccount) => Signed][] = [
    [
      'signed by a ghost device that it adds itself',
      'unentitled-signer',
      (a) => a.next([laptop, stranger], stranger),
    ],
    ['signed by the root key', 'unentitled-signer', (a) => a.next([laptop, stranger], a.rootKey)],
    [
      'signed by a recovery key that it names itself',
      'unentitled-signer',
      (a) => stranger.sign('deviceList', a.draft([stranger], { recoveryKey: stranger.key })),
    ],
    [
      'that skips a version',
      'version-skipped',
      (a) => laptop.sign('deviceList', a.draft([laptop], { version: 3 })),
    ],
    [
      'whose version was committed already',
      'overtaken',
      (a) => laptop.sign('deviceList', a.draft([laptop], { version: 1 })),
    ],
    [
      'that forks from something else',
      'wrong-previous',
      (a) => laptop.sign('deviceList', a.draft([laptop], { previous: stranger.key })),
    ],
    [
      'that hides the version before it',
      'wrong-previous',
      (a) => laptop.sign('deviceList', a.draft([laptop], { previous: null })),
    ],
    [
      'with another root key',
      'root-changed',
      (a) => laptop.sign('deviceList', a.draft([laptop], { rootKey: stranger.key })),
    ],
  ];
  it.each(refusals)('refuses a list %s (%s)', (_what, fault, make) => {
    const { account, first } = accountWithLaptop();

    expect(faultOf(make(account), account, first)).toBe(fault);
  });

  it('refuses a list signed by a device that the version before removed', () => {
    const { account, first } = accountWithLaptop();
    const second = verifyDeviceList(account.next([phone], laptop), account, first);
    if (!second.ok) throw new TypeError(second.fault);

    expect(faultOf(account.next([laptop, phone], laptop), account, second.verified)).toBe(
      'unentitled-signer',
    );
  });

  it('hashes the received bytes and not an encoding of its own', () => {
    const account = new SigningAccount();
    const draft = account.draft([laptop]);
    const spaced = Buffer.from(JSON.stringify(draft, undefined, 2));
    const first = verifyDeviceList(account.rootKey.signBytes('deviceList', spaced), account, undefined);
    const plain = verifyDeviceList(account.rootKey.sign('deviceList', draft), account, undefined);

    if (!first.ok || !plain.ok) throw new TypeError('both are right');
    expect(first.verified.hash).not.toBe(plain.verified.hash);
    expect(first.verified.list).toEqual(plain.verified.list);
  });
});

describe('readStoredList', () => {
  it('reads what was verified before', () => {
    const { account, first } = accountWithLaptop();

    expect(readStoredList(account.versions[0]!)).toEqual({
      signed: first.signed,
      list: first.list,
      hash: first.hash,
      deviceIds: first.deviceIds,
    });
  });

  it('reports a damaged row', () => {
    const damaged = encodePayload({ version: 1 } satisfies Partial<DeviceList>);

    expect(readStoredList(laptop.signBytes('deviceList', damaged))).toBeUndefined();
  });
});
