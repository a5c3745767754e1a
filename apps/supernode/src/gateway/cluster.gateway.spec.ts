import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { decodePayload, DEFAULT_TENANT, homesSchema, type Signed } from '@parley/protocol';
import { isSignatureValid } from '../identity/ed25519.ts';
import { openTestDatabase, type TestDatabase } from '../persistence/testing/test-database.ts';
import { MemoryResumeStore } from './resume-store.memory.ts';
import type { EdgeConnection } from './testing/edge-connection.ts';
import { EdgeHarness, type SignedInUser } from './testing/edge-harness.ts';
import { MovableRoster, type MovableOwnership } from './testing/movable-ownership.ts';

/** A supernode with what the roster says of it. */
interface Member {
  readonly edge: EdgeHarness;
  readonly ownership: MovableOwnership;
}

let database: TestDatabase;
let roster: MovableRoster;
let resumeStore: MemoryResumeStore;
let first: Member;
let second: Member;
let isRelaying = false;

async function join(name: string, env: Record<string, string> = {}): Promise<Member> {
  const ownership = roster.join(name);
  const cluster = { ownership, database, resumeStore, isRelaying: () => isRelaying };
  return { ownership, edge: await EdgeHarness.start(env, { intervalMs: 50, timeoutMs: 5_000 }, cluster) };
}

beforeAll(async () => {
  database = await openTestDatabase();
  roster = new MovableRoster();
  resumeStore = new MemoryResumeStore();
  first = await join('first');
  second = await join('second');
}, 60_000);
afterEach(() => {
  roster.moveAll(first.ownership);
  for (const { edge } of [first, second]) edge.closeConnections();
});
afterAll(async () => {
  await second.edge.app.close();
  await first.edge.app.close();
  await database.close();
});

const addressOf = ({ account, device }: Pick<SignedInUser, 'account' | 'device'>) => ({
  tenant: DEFAULT_TENANT,
  userId: account.userId,
  deviceId: device.deviceId,
});

async function resumeRequest(
  connection: EdgeConnection,
  { welcome, device }: SignedInUser,
  lastSequence: number,
) {
  const { token } = welcome.resume;
  const proof = device.prove(await connection.challenge(), 'resume', { token });
  return { token, proof, lastSequence };
}

function tell({ edge }: Member, user: SignedInUser): void {
  const { userId } = user.account;
  edge.channels.notifyDevice(addressOf(user), 'account.devices-changed', { userId, version: 1 });
}

const statementOf = (homes: readonly Signed[] | null | undefined) =>
  homes?.[0] && decodePayload(homesSchema, homes[0]);

describe('a client at a supernode that is not its home', () => {
  it('is refused with the way to it, whether it signs in or resumes, and registers anyway', async () => {
    const user = await second.edge.register('ada');
    const connection = await second.edge.connect();
    const proof = user.device.prove(await connection.challenge(), 'authenticate', { token: user.token });

    expect(await connection.send('authenticate', { token: user.token, proof })).toMatchObject({
      ok: false,
      error: { code: 'NOT_HOME', retryable: true, alternates: [first.edge.url] },
    });

    const signedIn = await first.edge.signIn(user);
    const resume = await connection.send('resume', await resumeRequest(connection, signedIn, 0));
    expect(resume).toMatchObject({ ok: false, error: { code: 'NOT_HOME', alternates: [first.edge.url] } });
  });

  it('waits while there is no home, and is kept by one that may act in a moment', async () => {
    const user = await first.edge.register('bob');
    roster.move([{ tenant: DEFAULT_TENANT, userId: user.account.userId }]);
    const connection = await first.edge.connect();
    const attempt = async () => {
      const proof = user.device.prove(await connection.challenge(), 'authenticate', { token: user.token });
      return connection.send('authenticate', { token: user.token, proof });
    };

    const nobody = await attempt();
    roster.moveAll(first.ownership);
    first.ownership.mayAct = false;
    const kept = attempt();
    // A refusal would have overtaken this.
    const elsewhere = await first.edge.connect();
    await elsewhere.challenge();
    first.ownership.mayAct = true;

    expect(nobody).toMatchObject({
      ok: false,
      error: { code: 'BUSY', retryAfterMs: expect.any(Number), windowMs: expect.any(Number) },
    });
    expect(await kept).toMatchObject({ ok: true });
  });

  it('gets no answer to anything else on a connection that outlasted the move', async () => {
    const carol = await first.edge.registerAndSignIn('carol');
    first.ownership.mayAct = false;
    const reply = await carol.connection.send('contacts.list', {});
    first.ownership.mayAct = true;

    expect(reply).toMatchObject({ ok: false, error: { code: 'BUSY' } });
    expect(await carol.connection.send('contacts.list', {})).toMatchObject({ ok: true });
  });
});

describe('the welcome', () => {
  it('has the homes of the user, signed by the cluster, and a heartbeat brings newer ones', async () => {
    const dave = await first.edge.registerAndSignIn('dave');

    const { homes } = dave.welcome;
    expect(homes?.every((signed) => isSignatureValid('homes', signed))).toBe(true);
    expect(statementOf(homes)).toMatchObject({
      userId: dave.account.userId,
      homes: [first.edge.url, second.edge.url],
      rosterKeys: [homes?.[0]?.signer],
    });

    const published = second.edge.url;
    second.ownership.publish('https://elsewhere.example.net');
    const { payload } = await dave.connection.event('homes.changed');
    second.ownership.publish(published);

    expect(statementOf(payload.homes)?.homes).toEqual([first.edge.url, 'https://elsewhere.example.net']);
    expect(payload.homes[0]?.signer).toBe(homes?.[0]?.signer);
  });
});

describe('a user who moves', () => {
  it('is sent to the new home, resumes there without a loss, and nobody sees a flap', async () => {
    const erin = await first.edge.registerAndSignIn('erin');
    tell(first, erin);
    await erin.connection.event('account.devices-changed');

    roster.move([addressOf(erin)], second.ownership);
    const { payload } = await erin.connection.event('go-away');
    await erin.connection.disconnected();
    tell(second, erin);
    const connection = await second.edge.connect();
    const welcome = await connection.request('resume', await resumeRequest(connection, erin, 1));
    await connection.event('account.devices-changed');

    expect(payload).toMatchObject({ reason: 'redirect', alternates: [second.edge.url] });
    expect(welcome).toMatchObject({ recovered: true, newestSequence: 2 });
    expect(statementOf(welcome.homes)?.homes[0]).toBe(second.edge.url);
    expect(connection.events.map(({ sequence }) => sequence)).toEqual([2]);
    const { deviceId } = erin.device;
    const seen = (edge: EdgeHarness) => edge.observed.filter((entry) => entry.includes(deviceId));
    await first.edge.settled(() => seen(first.edge).includes(`moved ${deviceId}`));
    expect(seen(first.edge)).toEqual([`reachable ${deviceId} signed-in`, `moved ${deviceId}`]);
    // Away for as long as it takes to go there: never gone.
    expect(seen(second.edge)).toEqual([`unreachable ${deviceId}`, `reachable ${deviceId} resumed`]);
    expect(await connection.request('contacts.list', {})).toEqual({ contacts: [], deviceLists: [] });
  });

  it('is told that events may be lost where the old home is gone, once', async () => {
    const frank = await first.edge.registerAndSignIn('frank');
    tell(first, frank);
    await frank.connection.event('account.devices-changed');
    // A supernode that was killed seals nothing.
    const seal = resumeStore.seal.bind(resumeStore);
    resumeStore.seal = () => Promise.resolve();
    roster.move([addressOf(frank)], second.ownership);
    await frank.connection.disconnected();
    resumeStore.seal = seal;

    const connection = await second.edge.connect();
    const welcome = await connection.request('resume', await resumeRequest(connection, frank, 1));
    const news = await connection.event('homes.changed');
    connection.close();
    const again = await second.edge.connect();
    const later = await again.request('resume', await resumeRequest(again, frank, news.sequence));

    expect(welcome.recovered).toBe(false);
    expect(news.sequence).toBeGreaterThan(1);
    expect(later.recovered).toBe(true);
  });
});

describe('a storm', () => {
  it('is let in at the rate that is set; the others are told when to come', async () => {
    const env = { SUPERNODE_SIGN_INS_PER_SECOND: '1', SUPERNODE_RESUMES_PER_SECOND: '1' };
    const { edge, ownership } = await join('narrow', env);
    roster.moveAll(ownership);
    const users = [await edge.register('storm-ada'), await edge.register('storm-bob')];
    const requests = await Promise.all(
      users.map(async ({ device, token }) => {
        const connection = await edge.connect();
        const proof = device.prove(await connection.challenge(), 'authenticate', { token });
        return () => connection.send('authenticate', { token, proof });
      }),
    );

    // Both at once: a slow machine would give the second its share of the rate.
    const replies = await Promise.all(requests.map((send) => send()));
    const [refused, admitted] = [replies.filter(({ ok }) => !ok), replies.filter(({ ok }) => ok)];

    expect(admitted).toHaveLength(1);
    expect(refused).toEqual([
      expect.objectContaining({
        error: expect.objectContaining({
          code: 'BUSY',
          retryAfterMs: expect.any(Number),
          windowMs: 1_429,
        }),
      }),
    ]);
    expect((await edge.metrics.exposition()).body).toContain(
      'parley_edge_admissions_total{kind="sign-in",outcome="rate"} 1',
    );
    edge.closeConnections();
    await edge.app.close();
  }, 30_000);
});

describe('a supernode of a cluster that stops', () => {
  it('waits for the roster, sends its clients to their new home, and relays until nobody needs it', async () => {
    const third = await join('third');
    roster.moveAll(third.ownership);
    const grace = await third.edge.registerAndSignIn('grace');
    const stranger = await third.edge.connect();
    tell(third, grace);
    await grace.connection.event('account.devices-changed');
    isRelaying = true;
    let isStopped = false;

    const stopping = third.edge.app.close().then(() => (isStopped = true));
    await stranger.disconnected();
    expect(grace.connection.events.map(({ name }) => name)).toEqual(['account.devices-changed']);
    await expect(third.edge.connect()).rejects.toThrow('websocket error');
    roster.moveAll(second.ownership);
    await grace.connection.disconnected();
    const connection = await second.edge.connect();
    const welcome = await connection.request('resume', await resumeRequest(connection, grace, 1));

    expect((await grace.connection.event('go-away')).payload).toMatchObject({
      reason: 'redirect',
      alternates: expect.arrayContaining([second.edge.url, first.edge.url]),
    });
    expect(welcome.recovered).toBe(true);
    const { deviceId } = grace.device;
    expect(third.edge.observed).not.toContain(`unreachable ${deviceId}`);
    expect(isStopped).toBe(false);
    isRelaying = false;
    await stopping;
  }, 30_000);

  it('sends its clients off without a new home when the roster stays as it was', async () => {
    const fourth = await join('fourth', { SUPERNODE_DRAIN_SECONDS: '1' });
    roster.moveAll(fourth.ownership);
    const heidi = await fourth.edge.registerAndSignIn('heidi');

    await fourth.edge.app.close();
    await heidi.connection.disconnected();

    expect((await heidi.connection.event('go-away')).payload).toMatchObject({
      reason: 'draining',
      alternates: expect.arrayContaining([first.edge.url]),
    });
  }, 30_000);
});
