import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { Call } from '@parley/edge-client';
import { nextSession, readText, untilDirect } from '../system/clients.ts';
import { Cluster } from './cluster.ts';
import { describeCluster } from './describe-cluster.ts';
import { expectNothingBroken } from './failures.ts';
import { People, type Person } from './people.ts';

describeCluster('users of different homes', () => {
  let cluster: Cluster;
  let people: People;
  let alice: Person;
  let bob: Person;
  let carol: Person;

  beforeAll(async () => {
    cluster = await Cluster.start();
    await cluster.untilSeats(3);
    people = new People(cluster);
    alice = await people.join('alice', { home: 'node-1' });
    bob = await people.join('bob', { home: 'node-2' });
    carol = await people.join('carol', { home: 'node-3' });
  }, 120_000);

  afterAll(async () => {
    await people.clear();
    await cluster.close();
  }, 60_000);

  it('are connected to their homes, wherever they came in', () => {
    expect([alice, bob, carol].map((person) => people.homeOf(person))).toEqual([
      'node-1',
      'node-2',
      'node-3',
    ]);
  });

  it('become contacts and see each other come and go', async () => {
    await people.acquaint(alice, bob);
    await people.acquaint(alice, carol);

    await bob.client.presence.set({ state: 'busy', statusText: 'in a talk' });
    await people.untilSeen(alice, bob, 'busy');
    expect(alice.client.presence.get(bob.userId)).toMatchObject({ statusText: 'in a talk' });
    await bob.client.presence.set({ state: 'invisible' });
    await people.untilSeen(alice, bob, 'offline');
    await bob.client.presence.set({ state: 'online' });
    await people.untilSeen(alice, bob, 'online');
  }, 60_000);

  it('write to each other, with receipts', async () => {
    const sent = await alice.client.messages.send(bob.userId, 'across');
    await Promise.all([sent.stored, sent.delivered]);
    await bob.client.messages.markRead(alice.userId);

    expect(await sent.read).toBeDefined();
    const history = await bob.client.messages.history(alice.userId);
    expect(history.map(({ text }) => text)).toContain('across');
  }, 60_000);

  it('find each other in the directory', async () => {
    const handle = carol.client.identity.handle ?? '';
    const found = await bob.client.directory.lookup({ userId: carol.userId });

    expect(found.handle).toBe(handle);
  }, 60_000);

  it.each(['any', 'relay-only'] as const)(
    'open a session (%s)',
    async (policy) => {
      const arriving = nextSession(bob.client);
      const session = await alice.client.openSession(bob.userId, { policy });
      const theirs = await arriving;
      if (policy === 'any') await untilDirect(session);
      const stream = session.openStream();
      await stream.write(Buffer.from('hello'));
      await stream.end();
      let text = '';
      for await (const incoming of theirs.incomingStreams) {
        text = await readText(incoming);
        break;
      }

      expect(text).toBe('hello');
      expect(session.path).toBe(policy === 'any' ? 'direct' : 'relayed');
      await session.close();
    },
    60_000,
  );

  it('call each other: ring, talk, hang up, and a record for both', async () => {
    const ringing = new Promise<Call>((resolve) => {
      const off = carol.client.calls.on('incoming', (call) => {
        off();
        void call.accept().then(resolve);
      });
    });
    const call = alice.client.calls.call(carol.userId);
    const rang = new Promise<void>((resolve) => call.on('ringing', () => resolve()));
    const talking = await call.connected;
    const answered = await ringing;
    await rang;
    await talking.hangUp();

    expect(await answered.ended).toMatchObject({ cause: 'hang-up', outcome: 'completed' });
    expect(await call.ended).toMatchObject({ outcome: 'completed' });
  }, 60_000);

  it('end what they asked for before it was answered', async () => {
    bob.client.sessions.autoAccept = 'none';
    const asked = new Promise<void>((resolve) => bob.client.on('session-request', () => resolve()));
    const abort = new AbortController();
    const opening = alice.client.openSession(bob.userId, { signal: abort.signal });
    const refused = expect(opening).rejects.toMatchObject({ code: 'EDGE_ABORTED' });
    await asked;
    abort.abort();

    await refused;
    bob.client.sessions.autoAccept = 'contacts';
  }, 60_000);

  it('are served by their homes only, and get everything once', () => expectNothingBroken(people));
});
