import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { FakeSupernode } from '../testing/fake-supernode.ts';
import { newClient, onlinePair, userIdOf } from '../testing/online-pair.ts';
import type { Session } from '../session/session.ts';
import type { EdgeClient } from './edge-client.ts';

describe('EdgeClient against a supernode of the same wire', () => {
  let supernode: FakeSupernode;
  const clients: EdgeClient[] = [];

  beforeEach(async () => {
    supernode = await FakeSupernode.start();
  });

  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.close()));
    await supernode.stop();
  });

  async function pair() {
    const both = await onlinePair(supernode);
    clients.push(both.alice, both.bob);
    return both;
  }

  function incoming(client: EdgeClient): Promise<Session> {
    return new Promise((resolve, reject) => {
      client.on('session', ({ session }) => resolve(session));
      client.on('session-failed', ({ error }) => reject(error));
    });
  }

  it('registers, signs in, sees presence and looks up', async () => {
    const { alice, bob } = await pair();

    const { userId } = await alice.directory.lookup({ handle: 'bob' });
    const [presence] = await alice.presence.subscribe(userId);
    const busy = new Promise((resolve) => {
      alice.presence.on('change', ({ state }) => state === 'busy' && resolve(state));
    });
    await bob.presence.set({ state: 'busy' });

    expect(userId).toBe(bob.identity.userId);
    expect(presence?.state).toBe('online');
    expect(await busy).toBe('busy');
  });

  it('verifies a new contact before the first call', async () => {
    const { alice, bob } = await pair();
    // One more question on the same connection: what was asked before it has been answered.
    await alice.directory.lookup({ handle: 'bob' });
    await bob.directory.lookup({ handle: 'alice' });
    const before = supernode.requests.length;

    await alice.openSession(userIdOf(bob));

    expect(supernode.requests.slice(before, before + 1)).toEqual(['session.offer']);
  });

  it('opens a session on loopback and carries datagrams and streams both ways', async () => {
    const { alice, bob } = await pair();
    const arriving = incoming(bob);

    const ours = await alice.openSession(userIdOf(bob));
    const theirs = await arriving;

    expect(alice.sessions.peerOf(ours)?.deviceId).toBe(bob.identity.deviceId);
    expect(bob.sessions.peerOf(theirs)?.deviceId).toBe(alice.identity.deviceId);
    const heard = Promise.all([nextDatagram(ours), nextDatagram(theirs)]);
    ours.sendDatagram(Buffer.from('ping'));
    theirs.sendDatagram(Buffer.from('pong'));
    expect(await heard).toEqual(['pong', 'ping']);
    const stream = ours.openStream();
    await stream.write(Buffer.from('question'));
    await stream.end();
    const received = await first(theirs.incomingStreams);
    expect(await text(received)).toBe('question');
    await received.write(Buffer.from('answer'));
    await received.end();
    expect(await text(stream)).toBe('answer');
    expect(ours.path).toBe('direct');
  });

  it('is asked before a stranger gets a session', async () => {
    const carol = await newClient(supernode, 'carol');
    const dave = await newClient(supernode, 'dave');
    clients.push(carol, dave);
    await Promise.all([carol.connect(), dave.connect()]);
    const accepted = new Promise<Session>((resolve) => {
      dave.on('session-request', (request) => resolve(request.accept()));
    });

    const session = await carol.openSession(userIdOf(dave));

    expect([session.role, (await accepted).role]).toEqual(['caller', 'callee']);
  });

  it('declines, and says why, when the rule of the app for accepting throws', async () => {
    const { alice, bob } = await pair();
    const fault = new TypeError('a fault of the app');
    bob.sessions.autoAccept = () => {
      throw fault;
    };
    const failing = incoming(bob);
    failing.catch(() => undefined); // awaited below

    await expect(alice.openSession(userIdOf(bob))).rejects.toMatchObject({ code: 'EDGE_PEER_REJECTED' });
    await expect(failing).rejects.toMatchObject({ code: 'EDGE_AUTO_ACCEPT_FAILED', cause: fault });
  });

  it('tells a stranger nothing when that rule throws', async () => {
    const carol = await newClient(supernode, 'carol');
    const dave = await newClient(supernode, 'dave');
    clients.push(carol, dave);
    await Promise.all([carol.connect(), dave.connect()]);
    dave.sessions.autoAccept = () => {
      throw new TypeError('a fault of the app');
    };
    const failing = incoming(dave);
    failing.catch(() => undefined); // awaited below
    const calling = carol.openSession(userIdOf(dave), { timeoutMs: 1000 });
    calling.catch(() => undefined); // awaited below

    await expect(failing).rejects.toMatchObject({ code: 'EDGE_AUTO_ACCEPT_FAILED' });
    await expect(calling).rejects.toMatchObject({ code: 'EDGE_PEER_NO_ANSWER' });
    expect(supernode.requests).not.toContain('session.reject');
  });
});

async function nextDatagram(session: Session): Promise<string> {
  for await (const bytes of session.datagrams) return Buffer.from(bytes).toString();
  return 'closed';
}

async function first<Value>(values: AsyncIterable<Value>): Promise<Value> {
  for await (const value of values) return value;
  throw new TypeError('nothing came');
}

async function text(stream: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts).toString();
}
