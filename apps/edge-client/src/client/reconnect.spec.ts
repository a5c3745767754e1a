import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { UserId } from '@parley/protocol';
import type { ConnectionChange } from '../signalling/connection-state.ts';
import { FakeSupernode } from '../testing/fake-supernode.ts';
import { newClient, onlinePair, openClient, userIdOf } from '../testing/online-pair.ts';
import { EdgeClient } from './edge-client.ts';
import { MemoryIdentityStore } from '../identity/identity-store.ts';

describe('EdgeClient › reconnect, resume and tokens', () => {
  let supernode: FakeSupernode;
  let alice: EdgeClient;
  let bob: EdgeClient;
  const others: EdgeClient[] = [];
  const otherSupernodes: FakeSupernode[] = [];

  beforeEach(async () => {
    supernode = await FakeSupernode.start();
    ({ alice, bob } = await onlinePair(supernode));
  });

  afterEach(async () => {
    await Promise.all([alice, bob, ...others.splice(0)].map((client) => client.close()));
    await Promise.all([supernode, ...otherSupernodes.splice(0)].map((each) => each.stop()));
  });

  function nextOnline(client: EdgeClient): Promise<ConnectionChange> {
    return new Promise((resolve) => {
      client.on('state', (change) => change.to === 'online' && resolve(change));
    });
  }

  it('resumes after a broken connection without reading everything anew', async () => {
    const online = nextOnline(alice);
    const before = supernode.requests.length;
    supernode.dropConnections();

    expect(await online).toMatchObject({ from: 'authenticating', cause: 'resumed' });
    const asked = supernode.requests.slice(before);
    expect(asked).toContain('resume');
    expect(asked).not.toContain('authenticate');
    expect(asked).not.toContain('contacts.list');
  });

  it('reads contacts, presence and resources anew when events were lost', async () => {
    await alice.presence.subscribe(userIdOf(bob));
    await alice.resources.announce({ kind: 'room', key: 'lobby' });
    await alice.presence.set({ state: 'away' });
    supernode.resumeAnswer = 'lost';
    supernode.users.get(userIdOf(alice))!.contacts.clear();
    const online = nextOnline(alice);
    const before = supernode.requests.length;
    supernode.dropConnections();
    await online;

    const asked = supernode.requests.slice(before);
    expect(asked).toEqual(
      expect.arrayContaining(['contacts.list', 'presence.set', 'presence.subscribe', 'resource.announce']),
    );
    expect(alice.contacts.list()).toEqual([]);
  });

  it('asks nothing about the devices of contacts whose newest list it has, after lost events too', async () => {
    await Promise.all([alice.devices(userIdOf(bob)), bob.devices(userIdOf(alice))]);
    supernode.resumeAnswer = 'lost';
    const online = Promise.all([nextOnline(alice), nextOnline(bob)]);
    supernode.dropConnections();
    await online;
    const asked: unknown[] = [];
    supernode.lies.responses.set('account.devices', (data, { userId }: { userId: UserId }) => {
      asked.push(userId);
      return data;
    });

    await alice.openSession(userIdOf(bob));

    expect(asked).toEqual([]);
  });

  it('asks again where the supernode names another version than the pinned one', async () => {
    supernode.resumeAnswer = 'lost';
    supernode.lies.responses.set('contacts.list', (data: { deviceLists: object[] }) => ({
      ...data,
      deviceLists: [{ userId: userIdOf(bob), version: 2 }],
    }));
    const online = Promise.all([nextOnline(alice), nextOnline(bob)]);
    supernode.dropConnections();
    await online;
    const before = supernode.requests.length;

    await alice.openSession(userIdOf(bob));

    expect(supernode.requests.slice(before)).toContain('account.devices');
  });

  it('signs in anew when the supernode refuses to resume', async () => {
    supernode.resumeAnswer = 'refused';
    const online = nextOnline(alice);
    supernode.dropConnections();

    expect(await online).toMatchObject({ cause: 'signed-in' });
  });

  it('takes a numbered event once and reads anew when one is missing', async () => {
    const device = alice.identity.deviceId;
    const changes: unknown[] = [];
    alice.contacts.on('change', (event) => changes.push(event));
    const event = { userId: userIdOf(bob), contact: null };
    supernode.push(device, 'contacts.changed', event);
    supernode.push(device, 'contacts.changed', event, 1);
    await alice.directory.lookup({ handle: 'bob' });
    expect(changes).toHaveLength(1);
    expect(alice.drops().signalling).toEqual({ 'duplicate-event': 1 });

    const again = new Promise((resolve) => alice.contacts.on('change', resolve));
    supernode.push(device, 'account.devices-changed', { userId: userIdOf(bob), version: 1 }, 99);

    expect(await again).toMatchObject({ contact: { state: 'accepted' } });
  });

  it('answers requests that were under way with a retryable error', async () => {
    supernode.lies.responses.set('directory.lookup', () => {
      supernode.dropConnections();
      return {};
    });

    await expect(alice.directory.lookup({ handle: 'bob' })).rejects.toMatchObject({
      code: 'EDGE_CONNECTION_LOST',
      retryable: true,
    });
  });

  it('renews an expired token once and signs in', async () => {
    const carol = await newClient(supernode, 'carol');
    others.push(carol);
    const refused = supernode.refusals;
    refused.set('authenticate', 'TOKEN_EXPIRED');
    supernode.lies.responses.set('token.renew', (data: object) => {
      refused.delete('authenticate');
      return data;
    });

    await carol.connect();

    expect(carol.state).toBe('online');
    expect(supernode.requests.filter((name) => name === 'token.renew')).toHaveLength(1);
  });

  it('does not retry what a retry would not heal', async () => {
    const carol = await newClient(supernode, 'carol');
    others.push(carol);
    supernode.refusals.set('authenticate', 'TENANT_UNKNOWN');

    await expect(carol.connect()).rejects.toMatchObject({ code: 'TENANT_UNKNOWN', retryable: false });

    expect(carol.state).toBe('disconnected');
    supernode.refusals.clear();
    await carol.connect();
    expect(carol.state).toBe('online');
  });

  it('tells why it was signed off for good', async () => {
    const offline = new Promise((resolve) => {
      alice.on('state', (change) => change.to === 'disconnected' && resolve(change));
    });
    supernode.push(alice.identity.deviceId, 'go-away', {
      reason: 'revoked',
      alternates: [],
      retryAfterMs: 0,
      windowMs: 0,
    });

    expect(await offline).toMatchObject({ cause: 'revoked', error: { code: 'EDGE_REVOKED' } });
    await expect(alice.directory.lookup({ handle: 'bob' })).rejects.toMatchObject({
      code: 'EDGE_NOT_CONNECTED',
    });
  });

  it('follows a go-away to an alternate', async () => {
    const other = await FakeSupernode.start();
    otherSupernodes.push(other);
    other.clusterId = supernode.clusterId;
    other.users.set(userIdOf(alice), supernode.users.get(userIdOf(alice))!);
    // It knows neither the resume token nor the access token of the first one, as after a change of keys.
    other.refusals.set('authenticate', 'TOKEN_EXPIRED');
    other.lies.responses.set('token.renew', (data: object) => {
      other.refusals.delete('authenticate');
      return data;
    });
    const online = nextOnline(alice);
    supernode.push(alice.identity.deviceId, 'go-away', {
      reason: 'draining',
      alternates: [other.url],
      retryAfterMs: 0,
      windowMs: 10,
    });
    await online;

    expect(other.requests).toContain('token.renew');
    expect(alice.state).toBe('online');
  });

  it('fails a connect that finds nobody, in time', async () => {
    const lonely = await EdgeClient.open({
      url: 'http://127.0.0.1:1',
      identityStore: new MemoryIdentityStore(),
      token: () => Promise.resolve('app:lonely'),
      connectTimeoutMs: 300,
      backoff: { baseMs: 10, capMs: 20 },
    });
    others.push(lonely);

    await expect(lonely.connect()).rejects.toMatchObject({ code: 'EDGE_CONNECT_TIMEOUT', retryable: true });
  });

  it('needs an account or a token', async () => {
    const nobody = await openClient(supernode, 'new');
    others.push(nobody);

    await expect(nobody.connect()).rejects.toMatchObject({ code: 'EDGE_NOT_REGISTERED' });
  });

  it('stays closed, and says so', async () => {
    await alice.close();

    await expect(alice.connect()).rejects.toMatchObject({ code: 'EDGE_CLIENT_CLOSED' });
    await expect(alice.register({ handle: 'again' })).rejects.toMatchObject({ code: 'EDGE_CLIENT_CLOSED' });
    await expect(alice.directory.lookup({ handle: 'bob' })).rejects.toMatchObject({
      code: 'EDGE_CLIENT_CLOSED',
    });
  });
});
