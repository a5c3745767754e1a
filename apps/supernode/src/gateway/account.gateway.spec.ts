import { createHmac } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import {
  DEFAULT_TENANT,
  encodeBase64url,
  tenantIdSchema,
  type Signed,
  type WireErrorCode,
} from '@parley/protocol';
import { SigningAccount, SigningDevice } from '../identity/testing/signing-device.ts';
import { solve, type EdgeConnection } from './testing/edge-connection.ts';
import { EdgeHarness } from './testing/edge-harness.ts';

const CONFIRMATION = encodeBase64url(createHmac('sha256', 'secret of the code').digest());

let edge: EdgeHarness;
beforeAll(async () => {
  edge = await EdgeHarness.start();
}, 60_000);
afterEach(() => edge.closeConnections());
afterAll(() => edge.stop());

describe('register', () => {
  /** A right request, whose members a test replaces. */
  async function registration(connection: EdgeConnection, device: SigningDevice, deviceList: Signed) {
    const puzzle = solve(await connection.request('register.puzzle', { tenant: DEFAULT_TENANT }));
    const proof = device.prove(await connection.challenge(), 'register');
    return { puzzle, proof, handle: `user-${device.deviceId.slice(0, 8).replace(/[_-]/g, 'x')}`, deviceList };
  }

  it('gives the account, the device and a token', async () => {
    const { account, device } = await edge.register('Olivia');

    const row = await edge.database.prisma.user.findUniqueOrThrow({
      where: { tenantId_userId: { tenantId: 'default', userId: account.userId } },
      include: { devices: true, deviceLists: true },
    });
    expect(row).toMatchObject({ handle: 'Olivia', handleFolded: 'olivia', status: 'active' });
    expect(row.devices.map((one) => [one.deviceId, one.state])).toEqual([[device.deviceId, 'active']]);
    expect(row.deviceLists.map((one) => encodeBase64url(one.payload))).toEqual([
      account.versions[0]?.payload,
    ]);
  });

  it('refuses a handle that another account has, whatever its case', async () => {
    await edge.register('Peggy');
    const device = new SigningDevice();
    const connection = await edge.connect();
    const request = await registration(connection, device, new SigningAccount().next([device]));

    expect(await connection.refusal('register', { ...request, handle: 'pEGGY' })).toBe('HANDLE_TAKEN');
  });

  it('takes a puzzle and a proof once', async () => {
    const device = new SigningDevice();
    const connection = await edge.connect();
    const request = await registration(connection, device, new SigningAccount().next([device]));
    await connection.request('register', request);

    expect(await connection.refusal('register', request)).toBe('CHALLENGE_EXPIRED');
    const proof = device.prove(await connection.challenge(), 'register');
    expect(await connection.refusal('register', { ...request, proof })).toBe('PUZZLE_EXPIRED');
  });

  it('answers a repeated registration as the first one, and refuses another list for the same root key', async () => {
    const { account, device } = await edge.register('quentin');
    const connection = await edge.connect();
    const [first] = account.versions;
    const again = await registration(connection, device, first!);
    expect(await connection.refusal('register', { ...again, handle: 'quentin' })).toBeUndefined();

    const forked = account.rootKey.sign('deviceList', {
      ...account.draft([device]),
      version: 1,
      previous: null,
      issuedAt: 2,
    });
    const other = await registration(connection, device, forked);
    expect(await connection.refusal('register', other)).toBe('ACCOUNT_EXISTS');
  });

  it('refuses lists that are not of this device, not of the root key, or hold a device of another account', async () => {
    const { device: theirs } = await edge.register('rupert');
    const device = new SigningDevice();
    const connection = await edge.connect();
    const refusal = async (list: Signed) =>
      connection.refusal('register', await registration(connection, device, list));

    expect(await refusal(new SigningAccount().next([new SigningDevice()]))).toBe('DEVICE_LIST_INVALID');
    expect(await refusal(new SigningAccount().next([device], device))).toBe('DEVICE_LIST_INVALID');
    expect(await refusal(new SigningAccount().next([device, theirs]))).toBe('DEVICE_LIST_INVALID');
  });

  it('is refused where the tenant does not allow it, and for tenants that do not exist', async () => {
    const closed = tenantIdSchema.parse(await edge.database.newTenant());
    await edge.database.prisma.tenant.update({ where: { id: closed }, data: { openRegistration: false } });
    const connection = await edge.connect();

    expect(await connection.refusal('register.puzzle', { tenant: closed })).toBe('REGISTRATION_CLOSED');
    expect(await connection.refusal('register.puzzle', { tenant: 'nowhere' })).toBe('TENANT_UNKNOWN');
  });
});

describe('account.devices', () => {
  it('gives the chain after a version, and nothing for who does not exist', async () => {
    const { account, device, connection } = await edge.registerAndSignIn('sybil');
    const second = account.next([device, new SigningDevice()], device);
    await connection.request('account.update-devices', { deviceList: second });

    const { userId } = account;
    expect(await connection.request('account.devices', { userId, sinceVersion: 0 })).toEqual({
      lists: account.versions,
      complete: true,
    });
    expect(await connection.request('account.devices', { userId, sinceVersion: 1 })).toEqual({
      lists: [second],
      complete: true,
    });
    expect(await connection.request('account.devices', { userId, sinceVersion: 9 })).toEqual({
      lists: [],
      complete: true,
    });
    expect(await connection.refusal('account.devices', { userId: 'nobody', sinceVersion: 0 })).toBe(
      'NOT_FOUND',
    );
  });
});

describe('account.update-devices', () => {
  it('commits one of two versions that are signed at the same time', async () => {
    const { account, device, connection } = await edge.registerAndSignIn('trent');
    const rivals = [new SigningDevice(), new SigningDevice(), new SigningDevice()].map((rival) =>
      device.sign('deviceList', account.draft([device, rival])),
    );

    const codes = await Promise.all(
      rivals.map((deviceList) => connection.refusal('account.update-devices', { deviceList })),
    );

    expect(codes.sort()).toEqual(['DEVICE_LIST_CONFLICT', 'DEVICE_LIST_CONFLICT', undefined]);
  });

  it('succeeds again for the newest version, and refuses an older one with another content', async () => {
    const { account, device, connection } = await edge.registerAndSignIn('uma');
    const deviceList = account.next([device, new SigningDevice()], device);
    await connection.request('account.update-devices', { deviceList });

    expect(await connection.refusal('account.update-devices', { deviceList })).toBeUndefined();
    const fork = device.sign('deviceList', { ...account.draft([device]), version: 2 });
    expect(await connection.refusal('account.update-devices', { deviceList: fork })).toBe(
      'DEVICE_LIST_CONFLICT',
    );
  });

  it('refuses a ghost device: a list that no device of the version before signed', async () => {
    const { account, device, connection } = await edge.registerAndSignIn('victor');
    const ghost = new SigningDevice();
    const refusal = (deviceList: Signed) => connection.refusal('account.update-devices', { deviceList });

    expect(await refusal(ghost.sign('deviceList', account.draft([device, ghost])))).toBe(
      'DEVICE_LIST_INVALID',
    );
    expect(await refusal(account.rootKey.sign('deviceList', account.draft([device, ghost])))).toBe(
      'DEVICE_LIST_INVALID',
    );
    const skipped = device.sign('deviceList', account.draft([device], { version: 3 }));
    expect(await refusal(skipped)).toBe('DEVICE_LIST_INVALID');
  });

  it('cuts a removed device off at once, for good', async () => {
    const first = await edge.registerAndSignIn('walter');
    const { account, device } = first;
    const phone = new SigningDevice();
    await first.connection.request('account.update-devices', {
      deviceList: account.next([device, phone], device),
    });
    const { token } = await renew(account, phone);
    const second = await edge.signIn({ account, device: phone, token });

    await first.connection.request('account.update-devices', { deviceList: account.next([device], device) });

    expect((await second.connection.event('go-away')).payload.reason).toBe('revoked');
    await second.connection.disconnected();
    expect(edge.observed).toContain(`gone ${phone.deviceId} revoked`);
    expect(edge.revokedRelays).toContainEqual({
      tenant: DEFAULT_TENANT,
      userId: account.userId,
      deviceId: phone.deviceId,
    });
    const back = await edge.connect();
    const proof = phone.prove(await back.challenge(), 'authenticate', { token });
    expect(await back.refusal('authenticate', { token, proof })).toBe('DEVICE_REMOVED');
    const resumption = phone.prove(await back.challenge(), 'resume', { token: second.welcome.resume.token });
    const resume = { token: second.welcome.resume.token, proof: resumption, lastSequence: 0 };
    expect(await back.refusal('resume', resume)).toBe('RESUME_REFUSED');
  });

  it('lets a device remove itself, which is answered before it is cut off', async () => {
    const first = await edge.registerAndSignIn('xena');
    const { account, device, connection } = first;
    const phone = new SigningDevice();
    await connection.request('account.update-devices', { deviceList: account.next([device, phone], device) });

    const removal = { deviceList: account.next([phone], device) };

    expect(await connection.request('account.update-devices', removal)).toEqual({ deviceListVersion: 3 });
    await connection.disconnected();
  });

  async function renew(account: SigningAccount, device: SigningDevice): Promise<{ token: string }> {
    const connection = await edge.connect();
    const proof = device.prove(await connection.challenge(), 'renew');
    return connection.request('token.renew', { userId: account.userId, proof });
  }
});

describe('linking', () => {
  it('adds a device that waits, which gets the chain, a token and the confirmation', async () => {
    const { account, device, connection } = await edge.registerAndSignIn('yara');
    const phone = new SigningDevice();
    const waiting = await edge.connect();
    const proof = phone.prove(await waiting.challenge(), 'link');
    await waiting.request('link.open', { proof, name: 'phone' });

    const approval = {
      deviceId: phone.deviceId,
      deviceList: account.next([device, phone], device),
      confirmation: CONFIRMATION,
    };
    expect(await connection.request('link.approve', approval)).toEqual({ deviceListVersion: 2 });

    const approved = await waiting.event('link.approved');
    expect(approved).toMatchObject({
      sequence: 0,
      payload: {
        userId: account.userId,
        handle: 'yara',
        lists: account.versions,
        confirmation: CONFIRMATION,
      },
    });
    const { token } = approved.payload;
    expect(await edge.authenticate(waiting, { account, device: phone, token })).toMatchObject({
      linked: true,
      deviceListVersion: 2,
    });
    expect((await connection.event('account.devices-changed')).payload).toEqual({
      userId: account.userId,
      version: 2,
    });
  });

  it('refuses devices that do not wait, have gone, or are not in the list', async () => {
    const { account, device, connection } = await edge.registerAndSignIn('zoe');
    const phone = new SigningDevice();
    const other = new SigningDevice();
    const approve = (deviceId: string, listed: SigningDevice): Promise<WireErrorCode | undefined> =>
      connection.refusal('link.approve', {
        deviceId,
        deviceList: device.sign('deviceList', account.draft([device, listed])),
        confirmation: CONFIRMATION,
      });
    expect(await approve(phone.deviceId, phone)).toBe('LINK_UNKNOWN');

    const before = edge.connectionCount;
    const waiting = await edge.connect();
    await waiting.request('link.open', {
      proof: phone.prove(await waiting.challenge(), 'link'),
      name: 'phone',
    });
    expect(await approve(phone.deviceId, other)).toBe('DEVICE_LIST_INVALID');

    waiting.close();
    await edge.settled(() => edge.connectionCount === before);
    expect(await approve(phone.deviceId, phone)).toBe('LINK_UNKNOWN');
  });

  it('lets only a linked device approve', async () => {
    const connection = await edge.connect();

    expect(
      await connection.refusal('link.approve', {
        deviceId: new SigningDevice().deviceId,
        deviceList: new SigningAccount().next([new SigningDevice()]),
        confirmation: CONFIRMATION,
      }),
    ).toBe('NOT_AUTHENTICATED');
  });
});

describe('recovery', () => {
  it('reads the chain and takes the account over; the old devices are cut off', async () => {
    const lost = await edge.registerAndSignIn('abby');
    const { account } = lost;
    const replacement = new SigningDevice();
    const connection = await edge.connect();
    const { userId } = account;

    const reading = await edge.proofBy(connection, account.recoveryKey, 'recover');
    const chain = await connection.request('account.recovery-lists', {
      userId,
      proof: reading,
      sinceVersion: 0,
    });
    expect(chain).toEqual({ lists: account.versions, complete: true });

    const proof = replacement.prove(await connection.challenge(), 'recover');
    const deviceList = account.next([replacement], account.recoveryKey);
    const { token, deviceListVersion } = await connection.request('account.recover', {
      userId,
      proof,
      deviceList,
    });

    expect(deviceListVersion).toBe(2);
    expect((await edge.authenticate(connection, { account, device: replacement, token })).linked).toBe(true);
    expect((await lost.connection.event('go-away')).payload.reason).toBe('revoked');
    await lost.connection.disconnected();
  });

  it('takes the same list twice from the device that it lists, as when the answer was lost', async () => {
    const { account, device } = await edge.register('ada');
    const replacement = new SigningDevice();
    const connection = await edge.connect();
    const draft = account.draft([replacement], { recoveryKey: new SigningDevice().key });
    const deviceList = account.recoveryKey.sign('deviceList', draft);
    const recover = async (by: SigningDevice) => {
      const proof = by.prove(await connection.challenge(), 'recover');
      return { userId: account.userId, proof, deviceList };
    };
    await connection.request('account.recover', await recover(replacement));

    const { token, deviceListVersion } = await connection.request(
      'account.recover',
      await recover(replacement),
    );

    expect(deviceListVersion).toBe(2);
    expect((await edge.authenticate(connection, { account, device: replacement, token })).linked).toBe(true);
    const other = await edge.connect();
    const proof = device.prove(await other.challenge(), 'recover');
    expect(await other.refusal('account.recover', { userId: account.userId, proof, deviceList })).toBe(
      'DEVICE_LIST_INVALID',
    );
  });

  it('gives no token for repeating a list that a device signed', async () => {
    const { account, device, connection } = await edge.registerAndSignIn('alba');
    const deviceList = account.next([device, new SigningDevice()], device);
    await connection.request('account.update-devices', { deviceList });
    const other = await edge.connect();

    const proof = device.prove(await other.challenge(), 'recover');

    expect(await other.refusal('account.recover', { userId: account.userId, proof, deviceList })).toBe(
      'RECOVERY_REFUSED',
    );
  });

  it('is refused alike for a wrong key and for an account that does not exist', async () => {
    const { account, device } = await edge.register('bruno');
    const thief = new SigningDevice();
    const connection = await edge.connect();
    const recover = async (userId: string, deviceList: Signed) => {
      const proof = thief.prove(await connection.challenge(), 'recover');
      return connection.refusal('account.recover', { userId, proof, deviceList });
    };
    const draft = account.draft([thief]);

    expect(await recover(account.userId, thief.sign('deviceList', draft))).toBe('RECOVERY_REFUSED');
    expect(await recover(account.userId, device.sign('deviceList', draft))).toBe('RECOVERY_REFUSED');
    expect(await recover('nobody', account.recoveryKey.sign('deviceList', draft))).toBe('RECOVERY_REFUSED');
    // The newest list is public; claiming that the recovery key signed it gives nothing.
    const claimed = { ...account.versions[0]!, signer: account.recoveryKey.key };
    expect(await recover(account.userId, claimed)).toBe('DEVICE_LIST_INVALID');

    const reading = await edge.proofBy(connection, thief, 'recover');
    const request = { userId: account.userId, proof: reading, sinceVersion: 0 };
    expect(await connection.refusal('account.recovery-lists', request)).toBe('RECOVERY_REFUSED');
  });

  it('keeps the root key, and lists the device that recovers', async () => {
    const { account } = await edge.register('cleo');
    const replacement = new SigningDevice();
    const connection = await edge.connect();
    const recover = async (deviceList: Signed) => {
      const proof = replacement.prove(await connection.challenge(), 'recover');
      return connection.refusal('account.recover', { userId: account.userId, proof, deviceList });
    };
    const sign = (...draft: Parameters<SigningAccount['draft']>) =>
      account.recoveryKey.sign('deviceList', account.draft(...draft));

    expect(await recover(sign([replacement], { rootKey: replacement.key }))).toBe('DEVICE_LIST_INVALID');
    expect(await recover(sign([new SigningDevice()]))).toBe('DEVICE_LIST_INVALID');
    expect(await recover(sign([replacement]))).toBeUndefined();
  });
});
