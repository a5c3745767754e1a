import { createServer, type AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { ClientRequestName, Homes, Signed } from '@parley/protocol';
import { MemoryIdentityStore } from '../identity/identity-store.ts';
import type { Session } from '../session/session.ts';
import type { ConnectionChange } from '../signalling/connection-state.ts';
import { FakeSupernode } from '../testing/fake-supernode.ts';
import { newClient, userIdOf } from '../testing/online-pair.ts';
import { homesOf, newRosterKey } from '../testing/roster-homes.ts';
import { EdgeClient } from './edge-client.ts';

const LOOPBACK = { bind: { ipv4: { address: '127.0.0.1' }, ipv6: false }, includeLoopback: true } as const;

describe('EdgeClient › from one supernode to another', () => {
  let first: FakeSupernode;
  let second: FakeSupernode;
  /** Of both, for as long as the test runs. */
  let urls: string[];
  let alice: EdgeClient;
  let bob: EdgeClient;
  const key = newRosterKey();
  const clients: EdgeClient[] = [];

  beforeEach(async () => {
    first = await FakeSupernode.start();
    second = await FakeSupernode.start(0, first);
    urls = [first.url, second.url];
    for (const supernode of [first, second]) {
      for (const name of ['authenticate', 'resume'] as const) {
        supernode.lies.responses.set(name, (welcome: { userId: Homes['userId'] }) => ({
          ...welcome,
          homes: homesFor(welcome.userId),
        }));
      }
    }
    [alice, bob] = [await newClient(first, 'alice'), await newClient(first, 'bob')];
    clients.push(alice, bob);
    await Promise.all([alice.connect(), bob.connect()]);
  });

  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.close()));
    await Promise.all([first, second].map((supernode) => supernode.stop()));
  });

  function homesFor(userId: Homes['userId'], change: Partial<Homes> = {}): Signed[] {
    const now = Date.now();
    return homesOf([key], { userId, homes: urls, notBefore: now, notAfter: now + 60_000, ...change });
  }

  function nextOnline(client: EdgeClient): Promise<ConnectionChange> {
    return new Promise((resolve) => {
      client.on('state', (change) => change.to === 'online' && resolve(change));
    });
  }

  function turnAway(supernode: FakeSupernode, alternates: readonly string[]): void {
    for (const name of ['authenticate', 'resume'] as const) {
      supernode.refusals.set(name, 'NOT_HOME');
      supernode.wayOut.set(name, { alternates });
    }
  }

  const asked = (supernode: FakeSupernode, ...names: ClientRequestName[]) =>
    supernode.requests.filter((name) => names.includes(name));

  it('goes to the next home when the first dies, and reads nothing anew where nothing was lost', async () => {
    expect(alice.home).toBe(first.url);
    await alice.presence.subscribe(userIdOf(bob));
    const online = nextOnline(alice);

    await first.stop();

    expect(await online).toMatchObject({ cause: 'resumed', recovered: true });
    expect(alice.home).toBe(second.url);
    expect(asked(second, 'resume', 'authenticate')).toContain('resume');
    expect(asked(second, 'contacts.list', 'presence.subscribe')).toEqual([]);
  });

  it('reads everything anew where events were lost on the way', async () => {
    await alice.presence.subscribe(userIdOf(bob));
    await alice.presence.set({ state: 'away' });
    await bob.close();
    second.resumeAnswer = 'lost';
    const online = nextOnline(alice);

    await first.stop();

    expect(await online).toMatchObject({ cause: 'resumed', recovered: false });
    await alice.directory.lookup({ handle: 'alice' }); // what was asked before has arrived before
    const all = ['contacts.list', 'presence.set', 'presence.subscribe', 'mailbox.read'];
    expect(second.requests.slice(second.requests.indexOf('resume'))).toEqual(expect.arrayContaining(all));
  });

  it('takes events with numbers that it has seen, where the store lost the last ones', async () => {
    const device = alice.identity.deviceId;
    const event = { userId: userIdOf(bob), version: 1 };
    for (const sequence of [1, 2, 3]) first.push(device, 'account.devices-changed', event, sequence);
    await alice.directory.lookup({ handle: 'bob' });
    second.lies.responses.set('resume', (welcome: object) => ({ ...welcome, newestSequence: 1 }));
    const online = nextOnline(alice);
    await first.stop();

    expect(await online).toMatchObject({ cause: 'resumed', recovered: false });
    const changed = new Promise((resolve) => alice.contacts.on('change', resolve));
    const contact = { userId: userIdOf(bob), handle: null, displayName: null, since: 1 } as const;
    second.push(
      device,
      'contacts.changed',
      { userId: userIdOf(bob), contact: { ...contact, state: 'pending-in' } },
      2,
    );

    expect(await changed).toMatchObject({ contact: { state: 'pending-in' } });
    expect(alice.drops().signalling).toEqual({});
  });

  it('signs in anew at the next home where its resume is not known there', async () => {
    second.resumeAnswer = 'refused';
    const online = nextOnline(alice);

    await first.stop();

    expect(await online).toMatchObject({ cause: 'signed-in' });
    expect(alice.home).toBe(second.url);
  });

  it('is sent on to its home at once, with its resume', async () => {
    turnAway(first, [second.url]);
    const online = nextOnline(alice);

    first.dropConnections();

    expect(await online).toMatchObject({ cause: 'resumed', recovered: true });
    expect(alice.home).toBe(second.url);
    expect(asked(second, 'authenticate')).toEqual([]);
  });

  it('follows a supernode that answers it is not the home any more', async () => {
    first.refusals.set('directory.lookup', 'NOT_HOME');
    first.wayOut.set('directory.lookup', { alternates: [second.url] });
    const online = nextOnline(alice);

    await expect(alice.directory.lookup({ handle: 'bob' })).rejects.toMatchObject({
      code: 'NOT_HOME',
      retryable: true,
      alternates: [second.url],
    });
    await online;

    expect(alice.home).toBe(second.url);
    expect(await alice.directory.lookup({ handle: 'bob' })).toMatchObject({ handle: 'bob' });
  });

  it('comes back to a busy supernode within the window that it names', async () => {
    await alice.close();
    first.refusals.set('authenticate', 'BUSY');
    first.wayOut.set('authenticate', { retryAfterMs: 0, windowMs: 20 });
    const carol = await newClient(first, 'carol');
    clients.push(carol);
    const refusals: unknown[] = [];
    carol.on('state', ({ cause, error }) => {
      if (cause === 'sign-in-failed') refusals.push(error?.code);
      if (refusals.length === 2) first.refusals.clear();
    });

    await carol.connect();

    expect(carol.home).toBe(first.url);
    expect(refusals.slice(0, 2)).toEqual(['BUSY', 'BUSY']);
  });

  it.each(['redirect', 'draining', 'overloaded'] as const)('follows a go-away: %s', async (reason) => {
    const online = nextOnline(alice);
    const notice = { reason, alternates: [second.url], retryAfterMs: 0, windowMs: 10 };

    first.push(alice.identity.deviceId, 'go-away', notice, 0);

    expect(await online).toMatchObject({ cause: 'resumed' });
    expect(alice.home).toBe(second.url);
  });

  it('leaves a supernode that takes the connection and says nothing for the next one', async () => {
    const silent = createServer((socket) => socket.on('error', () => undefined).resume());
    await new Promise<void>((done) => silent.listen(0, '127.0.0.1', done));
    const deaf = `http://127.0.0.1:${String((silent.address() as AddressInfo).port)}`;
    const carol = await EdgeClient.open({
      url: [deaf, first.url],
      identityStore: new MemoryIdentityStore(),
      token: () => Promise.resolve('app:carol'),
      hostTimeoutMs: 50,
      backoff: { baseMs: 10, capMs: 20 },
      udp: LOOPBACK,
    });
    clients.push(carol);
    const causes: string[] = [];
    carol.on('state', ({ cause }) => causes.push(cause));

    await carol.connect();

    expect(causes).toContain('transport-timeout');
    expect(carol.home).toBe(first.url);
    // Nothing is left of the attempt, while the client goes on.
    await new Promise((done) => silent.close(done));
  });

  it('begins at its home after a restart, and needs nothing that the app configured', async () => {
    await alice.close();
    const identityStore = new MemoryIdentityStore();
    const open = (url: string) =>
      EdgeClient.open({
        url,
        identityStore,
        token: () => Promise.resolve('app:dave'),
        backoff: { baseMs: 10, capMs: 20 },
        udp: LOOPBACK,
      });
    const dave = await open(second.url);
    clients.push(dave);
    await dave.connect();
    expect(dave.home).toBe(second.url);
    await dave.close();

    const again = await open('http://127.0.0.1:1');
    clients.push(again);
    await again.connect();

    expect(again.home).toBe(first.url);
  });

  it('takes homes that change while it is online, and refuses what is forged', async () => {
    const device = alice.identity.deviceId;
    const userId = userIdOf(alice);
    const alerts: string[] = [];
    alice.on('cluster-alert', ({ error }) => alerts.push(error.code));
    const homes = [second.url, first.url];
    first.push(device, 'homes.changed', { homes: homesFor(userId, { homes, epoch: 8 }) }, 0);
    const stranger = homesOf([newRosterKey()], { userId, notAfter: Date.now() + 60_000 });
    first.push(device, 'homes.changed', { homes: stranger }, 0);
    first.push(device, 'homes.changed', { homes: homesFor(userId, { epoch: 7 }) }, 0);
    await alice.directory.lookup({ handle: 'bob' });

    expect(alerts).toEqual(['EDGE_ROSTER_KEY_CHANGED']);
    expect(alice.drops().hosts).toEqual({ 'homes-unknown-key': 1, 'homes-outdated': 1 });
    const online = nextOnline(alice);
    first.dropConnections();
    await online;
    expect(alice.home).toBe(second.url);
  });

  it('keeps sessions open while nobody has a supernode, and after', async () => {
    const asContact = (client: EdgeClient, state: string) =>
      new Promise<void>((resolve) => {
        client.contacts.on('change', ({ contact }) => contact?.state === state && resolve());
      });
    const [pending, accepted] = [asContact(bob, 'pending-in'), asContact(alice, 'accepted')];
    await alice.contacts.request(userIdOf(bob));
    await pending;
    await bob.contacts.accept(userIdOf(alice));
    await accepted;
    const arriving = new Promise<Session>((resolve) => {
      bob.on('session', ({ session }) => resolve(session));
    });
    const ours = await alice.openSession(userIdOf(bob));
    const theirs = await arriving;
    const heard = theirs.datagrams[Symbol.asyncIterator]();
    const says = async (text: string) => {
      ours.sendDatagram(Buffer.from(text));
      const next = await heard.next();
      return next.done === true ? 'closed' : Buffer.from(next.value).toString();
    };
    const lost = [alice, bob].map(
      (client) =>
        new Promise<void>((resolve) => {
          client.on('state', ({ from }) => from === 'online' && resolve());
        }),
    );
    const online = Promise.all([nextOnline(alice), nextOnline(bob)]);
    await first.stop();
    await Promise.all(lost);

    expect(await says('nobody is online')).toBe('nobody is online');
    await online;
    expect([alice.home, bob.home]).toEqual([second.url, second.url]);
    expect(await says('both are')).toBe('both are');
    await expect(alice.openSession(userIdOf(bob))).resolves.toMatchObject({ role: 'caller' });
  });

  it('registers where one of its supernodes answers, and is sent on for it', async () => {
    first.refusals.set('register.puzzle', 'SHUTTING_DOWN');
    first.wayOut.set('register.puzzle', { alternates: [second.url] });
    const carol = await EdgeClient.open({
      url: ['http://127.0.0.1:1', first.url],
      identityStore: new MemoryIdentityStore(),
      udp: LOOPBACK,
    });
    clients.push(carol);

    await carol.register({ handle: 'carol' });

    expect(asked(second, 'register')).toHaveLength(1);
    expect(carol.identity.handle).toBe('carol');
  });

  it.each([[[]], [['nonsense']], [Array.from({ length: 17 }, () => 'https://a.example')]])(
    'refuses to open with the addresses %j',
    async (url: string[]) => {
      await expect(EdgeClient.open({ url, identityStore: new MemoryIdentityStore() })).rejects.toMatchObject({
        code: 'EDGE_OPTIONS_INVALID',
      });
    },
  );
});
