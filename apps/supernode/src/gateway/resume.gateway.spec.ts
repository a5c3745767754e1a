import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { DEFAULT_TENANT, LIMITS, type ResponseOf } from '@parley/protocol';
import { SigningDevice } from '../identity/testing/signing-device.ts';
import type { EdgeConnection } from './testing/edge-connection.ts';
import { EdgeHarness, type SignedInUser } from './testing/edge-harness.ts';

let edge: EdgeHarness;
beforeAll(async () => {
  edge = await EdgeHarness.start();
}, 60_000);
afterEach(() => edge.closeConnections());
afterAll(() => edge.stop());

/** A right resume request for a connection; the device may be another one than the token's. */
async function resumeRequest(
  connection: EdgeConnection,
  { welcome, device }: Pick<SignedInUser, 'welcome' | 'device'>,
  lastSequence: number,
) {
  const { token } = welcome.resume;
  const proof = device.prove(await connection.challenge(), 'resume', { token });
  return { token, proof, lastSequence };
}

async function resume(
  user: SignedInUser,
  lastSequence: number,
): Promise<[EdgeConnection, ResponseOf<'resume'>]> {
  const connection = await edge.connect();
  return [
    connection,
    await connection.request('resume', await resumeRequest(connection, user, lastSequence)),
  ];
}

/** Breaks the connection of a user and waits until the gateway knows. */
async function lose(user: SignedInUser): Promise<void> {
  user.connection.close();
  await edge.settled(() => edge.channels.connectedDevices(DEFAULT_TENANT, user.account.userId).length === 0);
}

function nextPing({ socket }: EdgeConnection): Promise<void> {
  return new Promise((resolve) => socket.io.once('ping', () => resolve()));
}

/** Sends the user's device an event from within the supernode. */
function tell(by: EdgeHarness, { account, device }: SignedInUser, times = 1): void {
  const { userId } = account;
  for (let sent = 0; sent < times; sent++) {
    by.channels.notifyDevice(
      { tenant: DEFAULT_TENANT, userId, deviceId: device.deviceId },
      'account.devices-changed',
      { userId, version: 1 },
    );
  }
}

describe('resume', () => {
  it('brings every event that the device missed, in order, after the answer', async () => {
    const ada = await edge.registerAndSignIn('ada');
    tell(edge, ada);
    await ada.connection.event('account.devices-changed');
    await lose(ada);
    tell(edge, ada, 2);

    const [connection, welcome] = await resume(ada, 1);
    tell(edge, ada);
    await connection.until(() => connection.events.length === 3, 'three events');

    expect(welcome).toMatchObject({
      recovered: true,
      linked: true,
      userId: ada.account.userId,
      handle: 'ada',
    });
    expect(welcome.resume.token).toBe(ada.welcome.resume.token);
    expect(connection.events.map(({ sequence }) => sequence)).toEqual([2, 3, 4]);
    expect(await connection.request('contacts.list', {})).toEqual({ contacts: [], deviceLists: [] });
  });

  it('says that events were lost', async () => {
    const bob = await edge.registerAndSignIn('bob');
    await lose(bob);
    tell(edge, bob, LIMITS.maxResumeEvents + 1);

    const [, welcome] = await resume(bob, 0);

    expect(welcome.recovered).toBe(false);
  });

  it('works again and again with one token', async () => {
    const carol = await edge.registerAndSignIn('carol');
    for (const lastSequence of [0, 1, 2]) {
      await lose(carol);
      tell(edge, carol);
      const [connection, welcome] = await resume(carol, lastSequence);
      await connection.event('account.devices-changed');
      expect(welcome.recovered).toBe(true);
      connection.close();
    }
  });

  it('is refused to another device, with an unknown token, with a replayed proof, and after a sign-off', async () => {
    const dave = await edge.registerAndSignIn('dave');
    const connection = await edge.connect();
    const refusal = async (request: unknown) => connection.refusal('resume', request);

    const byOther = await resumeRequest(connection, { ...dave, device: new SigningDevice() }, 0);
    expect(await refusal(byOther)).toBe('RESUME_REFUSED');

    const unknown = { ...dave, welcome: { ...dave.welcome, resume: { token: 'unknown', windowMs: 1 } } };
    expect(await refusal(await resumeRequest(connection, unknown, 0))).toBe('RESUME_REFUSED');

    const right = await resumeRequest(connection, dave, 0);
    const elsewhere = await edge.connect();
    await elsewhere.challenge();
    expect(await elsewhere.refusal('resume', right)).toBe('CHALLENGE_EXPIRED');
    const otherToken = { ...(await resumeRequest(connection, dave, 0)), token: 'another' };
    expect(await refusal(otherToken)).toBe('BAD_PROOF');

    await dave.connection.request('sign-off', {});
    expect(await refusal(await resumeRequest(connection, dave, 0))).toBe('RESUME_REFUSED');
  });

  it('is refused to a user who was suspended meanwhile', async () => {
    const erin = await edge.registerAndSignIn('erin');
    await lose(erin);
    await edge.database.prisma.user.update({
      where: { tenantId_userId: { tenantId: 'default', userId: erin.account.userId } },
      data: { status: 'suspended' },
    });
    const connection = await edge.connect();

    expect(await connection.refusal('resume', await resumeRequest(connection, erin, 0))).toBe('FORBIDDEN');
    expect(await connection.refusal('contacts.list', {})).toBe('NOT_AUTHENTICATED');
  });
});

describe('heartbeats', () => {
  it('prove what the device has received, so that it is not kept', async () => {
    const other = await EdgeHarness.start({}, { intervalMs: 20, timeoutMs: 5_000 });
    const ada = await other.registerAndSignIn('ada');
    tell(other, ada);
    // The first ping may have been under way; before the second one goes out, the first was answered.
    for (let pings = 0; pings < 3; pings++) await nextPing(ada.connection);

    const connection = await other.connect();
    const stale = await connection.request('resume', await resumeRequest(connection, ada, 0));
    expect(stale.recovered).toBe(false);
    const another = await other.connect();
    const current = await another.request('resume', await resumeRequest(another, ada, 1));
    expect(current.recovered).toBe(true);
    await other.stop();
  }, 30_000);
});

describe('a supernode that stops', () => {
  it('tells its clients to come back, and closes their connections', async () => {
    const other = await EdgeHarness.start();
    const ada = await other.registerAndSignIn('ada');

    await other.app.close();
    await ada.connection.disconnected();

    expect((await ada.connection.event('go-away')).payload).toMatchObject({
      reason: 'draining',
      windowMs: 10_000,
    });
    await expect(other.connect()).rejects.toThrow('websocket error');
    await other.database.close();
  }, 30_000);
});

describe('a database that is away', () => {
  it('is told as such, and the connection stays', async () => {
    const other = await EdgeHarness.start();
    const ada = await other.registerAndSignIn('ada');
    await other.database.close();

    const reply = await ada.connection.send('contacts.list', {});

    expect(reply).toMatchObject({ ok: false, error: { code: 'STORE_UNAVAILABLE', retryable: true } });
    expect((await ada.connection.challenge()).version).toBe(1);
    ada.connection.close();
    await other.app.close();
  }, 30_000);
});
