import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  EdgeClient,
  MemoryIdentityStore,
  type EdgeClientError,
  type SessionRequest,
} from '@parley/edge-client';
import { befriend, ClientBench, userIdOf } from './clients.ts';
import { startSupernode, type RunningSupernode } from './start-supernode.ts';

describe('accounts, devices and privacy through a supernode process', () => {
  let supernode: RunningSupernode;
  let bench: ClientBench;

  beforeAll(async () => {
    supernode = await startSupernode();
    bench = new ClientBench(supernode.url);
  }, 90_000);

  afterAll(async () => {
    await bench.clear();
    await supernode.stop();
  }, 30_000);

  it('links a second device, which then is one of the user', async () => {
    const alice = await bench.user('alice');
    const tablet = await bench.open();
    const invitation = await tablet.linkCode();

    await alice.approveLink(invitation.code, { name: 'tablet' });
    await invitation.approved;
    await tablet.connect();

    expect(tablet.identity.userId).toBe(alice.identity.userId);
    expect((await alice.devices()).devices.map(({ name }) => name)).toEqual(['device', 'tablet']);
    await alice.removeDevice(tablet.identity.deviceId);
    expect((await alice.devices()).devices).toHaveLength(1);
  }, 30_000);

  it('recovers an account by its code, and leaves the lost device outside', async () => {
    const lost = await bench.open();
    const { userId, recoveryCode } = await lost.register({ handle: 'carol' });

    const { client } = await EdgeClient.recover({
      url: supernode.url,
      identityStore: new MemoryIdentityStore(),
      userId,
      recoveryCode,
    });
    await client.connect();

    expect(userIdOf(client)).toBe(userId);
    expect((await client.devices()).devices).toHaveLength(1);
    await expect(lost.connect()).rejects.toMatchObject({
      code: expect.stringMatching(/^DEVICE_/) as unknown,
    });
    await client.close();
  }, 30_000);

  it('keeps accounts, contacts and resources over a restart of the supernode, and clients come back by themselves', async () => {
    const own = await startSupernode();
    const clients = new ClientBench(own.url);
    const [dave, erin] = await Promise.all([clients.user('dave'), clients.user('erin')]);
    await befriend(dave, erin);
    const back = new Promise<void>((resolve) => {
      dave.on('state', ({ to }) => {
        if (to === 'online') resolve();
      });
    });

    await own.halt();
    const again = await startSupernode({ dataDir: own.dataDir, edgePort: Number(new URL(own.url).port) });
    await back;

    expect(dave.contacts.isAccepted(userIdOf(erin))).toBe(true);
    expect((await dave.directory.lookup({ handle: 'erin' })).userId).toBe(userIdOf(erin));
    await clients.clear();
    await again.stop();
  }, 120_000);

  it('asks the app where it wants to be asked, and tells a contact of a refusal', async () => {
    const [frank, grace] = await Promise.all([bench.user('frank'), bench.user('grace')]);
    await befriend(frank, grace);
    grace.sessions.autoAccept = 'none';
    const asked = new Promise<SessionRequest>((resolve) => grace.on('session-request', resolve));

    const opening = frank.openSession(userIdOf(grace), { timeoutMs: 10_000 });
    opening.catch(() => undefined);
    const request = await asked;
    await request.reject('busy');

    expect(request.isContact).toBe(true);
    await expect(opening).rejects.toMatchObject({ code: 'EDGE_PEER_BUSY', retryable: true });
  }, 30_000);

  it('tells a stranger of an absent user and of one who declines exactly the same', async () => {
    const [heidi, ivan, kim] = await Promise.all([
      bench.user('heidi'),
      bench.user('ivan'),
      bench.user('kim'),
    ]);
    const absent = userIdOf(ivan);
    await ivan.close();
    kim.on('session-request', (request) => void request.reject('busy'));

    const outcomes = await Promise.allSettled(
      [absent, userIdOf(kim)].map((userId) => heidi.openSession(userId, { timeoutMs: 2500 })),
    );

    const codes = outcomes.map((outcome) =>
      outcome.status === 'rejected' ? (outcome.reason as EdgeClientError).code : 'opened',
    );
    expect(codes).toEqual(['EDGE_PEER_NO_ANSWER', 'EDGE_PEER_NO_ANSWER']);
  }, 30_000);

  it('finds announced resources until they are withdrawn', async () => {
    const judy = await bench.user('judy');
    const name = { kind: 'file', key: 'sha256-abc' };
    await judy.resources.announce(name, { attributes: { size: '3' } });

    const { holders } = await judy.resources.find(name);
    await judy.resources.withdraw(name);

    expect(holders).toMatchObject([{ deviceId: judy.identity.deviceId, attributes: { size: '3' } }]);
    expect((await judy.resources.find(name)).holders).toEqual([]);
  }, 30_000);

  it('measures the network', async () => {
    const mallory = await bench.user('mallory');

    const report = await mallory.netcheck();

    expect(report.ipv4).toMatchObject({ udp: 'works', isTranslated: false });
    expect(report.crossCheck).toMatchObject({ address: '127.0.0.1', agrees: true });
    expect(report.relay).toMatchObject({ roundTripMs: expect.any(Number) as unknown as number });
  }, 30_000);
});
