import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { EventOf } from '@parley/protocol';
import { MemoryIdentityStore } from '../identity/identity-store.ts';
import { FakeSupernode } from '../testing/fake-supernode.ts';
import { newClient, openClient, userIdOf } from '../testing/online-pair.ts';
import { EdgeClient } from './edge-client.ts';

describe('EdgeClient › account and devices', () => {
  let supernode: FakeSupernode;
  const clients: EdgeClient[] = [];

  beforeEach(async () => {
    supernode = await FakeSupernode.start();
  });

  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.close()));
    await supernode.stop();
  });

  async function online(handle: string): Promise<EdgeClient> {
    const client = await newClient(supernode, handle);
    clients.push(client);
    await client.connect();
    return client;
  }

  async function fresh(name: string): Promise<EdgeClient> {
    const client = await openClient(supernode, name);
    clients.push(client);
    return client;
  }

  it('registers once', async () => {
    const alice = await online('alice');

    await expect(alice.register({ handle: 'alice2' })).rejects.toMatchObject({
      code: 'EDGE_ALREADY_REGISTERED',
    });
    const other = await fresh('other');
    await expect(other.register({ handle: 'alice' })).rejects.toMatchObject({ code: 'HANDLE_TAKEN' });
    expect(other.identity.userId).toBeUndefined();
    await expect(other.register({ handle: '!' })).rejects.toMatchObject({ code: 'EDGE_OPTIONS_INVALID' });
  });

  /** The supernode serves the request, and the connection breaks before its answer arrives; once. */
  function loseAnswerTo(name: 'register' | 'account.create' | 'account.recover' | 'link.open'): void {
    supernode.lies.responses.set(name, (data: unknown) => {
      supernode.lies.responses.delete(name);
      supernode.dropConnections();
      return data;
    });
  }

  it('registers the same account again when the answer to the first try got lost', async () => {
    const alice = await fresh('alice');
    loseAnswerTo('register');
    await expect(alice.register({ handle: 'alice' })).rejects.toMatchObject({ code: 'EDGE_CONNECTION_LOST' });
    expect(alice.identity.userId).toBeUndefined();

    const { userId, recoveryCode } = await alice.register({ handle: 'alice' });
    await alice.connect();

    expect([...supernode.users.keys()]).toEqual([userId]);
    expect((await alice.devices()).version).toBe(1);
    const { client } = await EdgeClient.recover({
      url: supernode.url,
      identityStore: new MemoryIdentityStore(),
      userId,
      recoveryCode,
    });
    clients.push(client);
    expect(userIdOf(client)).toBe(userId);
  });

  it('recovers by the same list when the answer to the first try got lost', async () => {
    const { userId, recoveryCode } = await (await fresh('lost')).register({ handle: 'alice' });
    const identityStore = new MemoryIdentityStore();
    const recover = (code: string, store: MemoryIdentityStore) =>
      EdgeClient.recover({ url: supernode.url, userId, recoveryCode: code, identityStore: store });
    loseAnswerTo('account.recover');
    await expect(recover(recoveryCode, identityStore)).rejects.toMatchObject({
      code: 'EDGE_CONNECTION_LOST',
    });

    const { client, recovery } = await recover(recoveryCode, identityStore);
    clients.push(client);
    await client.connect();

    expect((await client.devices()).version).toBe(2);
    const next = await recover(recovery.recoveryCode, new MemoryIdentityStore());
    clients.push(next.client);
    expect(userIdOf(next.client)).toBe(userId);
  });

  it('says that the connection was lost before there was a link code', async () => {
    const tablet = await fresh('tablet');
    loseAnswerTo('link.open');

    await expect(tablet.linkCode()).rejects.toMatchObject({ code: 'EDGE_CONNECTION_LOST' });
  });

  it('gives up a link code at its close', async () => {
    const tablet = await fresh('tablet');
    const invitation = await tablet.linkCode();

    await tablet.close();

    await expect(invitation.approved).rejects.toMatchObject({ code: 'EDGE_CONNECTION_LOST' });
  });

  it('links a device again whose approval got lost', async () => {
    const alice = await online('alice');
    const tablet = await fresh('tablet');
    const unheard = await tablet.linkCode();
    await alice.approveLink(unheard.code);
    await tablet.close();
    const { devices: listed } = await alice.devices();

    const deviceId = await alice.approveLink(unheard.code, { name: 'once more' });

    const { devices } = await alice.devices();
    expect(deviceId).toBe(tablet.identity.deviceId);
    expect(devices).toHaveLength(listed.length);
    expect(devices.map(({ name }) => name)).toContain('once more');
  });

  it('links a second device by a code', async () => {
    const alice = await online('alice');
    const tablet = await fresh('tablet');
    const invitation = await tablet.linkCode();

    const deviceId = await alice.approveLink(invitation.code, { name: 'my tablet' });
    await invitation.approved;
    await tablet.connect();

    expect(deviceId).toBe(tablet.identity.deviceId);
    expect(tablet.identity.userId).toBe(alice.identity.userId);
    const { version, devices } = await alice.devices();
    expect([version, devices.map(({ name }) => name)]).toEqual([2, ["alice's device", 'my tablet']]);
  });

  it('refuses an approval that was not made with the code', async () => {
    const alice = await online('alice');
    const tablet = await fresh('tablet');
    supernode.lies.events.set('link.approved', (event: EventOf<'link.approved'>) => ({
      ...event,
      confirmation: 'A'.repeat(43),
    }));
    const invitation = await tablet.linkCode();
    await alice.approveLink(invitation.code);

    await expect(invitation.approved).rejects.toMatchObject({ code: 'EDGE_LINK_REFUSED' });
    expect(tablet.identity.userId).toBeUndefined();
  });

  it('refuses a text that is no link code', async () => {
    const alice = await online('alice');

    await expect(alice.approveLink('parley-link:nonsense')).rejects.toMatchObject({
      code: 'EDGE_LINK_CODE_INVALID',
    });
  });

  it('removes a device, which then may not come back', async () => {
    const alice = await online('alice');
    const tablet = await fresh('tablet');
    const invitation = await tablet.linkCode();
    await alice.approveLink(invitation.code);
    await invitation.approved;

    await alice.removeDevice(tablet.identity.deviceId);

    expect((await alice.devices()).devices).toHaveLength(1);
    await expect(tablet.connect()).rejects.toMatchObject({ code: 'DEVICE_REMOVED' });
  });

  it('recovers an account by its code alone, and uses the code up', async () => {
    const lost = await openClient(supernode, 'lost');
    const { userId, recoveryCode } = await lost.register({ handle: 'alice' });
    await lost.close();
    const options = { url: supernode.url, userId, recoveryCode };

    const { client, recovery } = await EdgeClient.recover({
      ...options,
      identityStore: new MemoryIdentityStore(),
    });
    clients.push(client);
    await client.connect();

    expect(userIdOf(client)).toBe(userId);
    expect((await client.devices()).devices).toHaveLength(1);
    expect(recovery.recoveryCode).not.toBe(recoveryCode);
    await expect(
      EdgeClient.recover({
        ...options,
        identityStore: new MemoryIdentityStore(),
        recoveryCode: `${recoveryCode}x`,
      }),
    ).rejects.toMatchObject({ code: 'EDGE_RECOVERY_CODE_INVALID' });
    // The list that the old key would sign now is one that no verifier of the chain accepts.
    await expect(
      EdgeClient.recover({ ...options, identityStore: new MemoryIdentityStore() }),
    ).rejects.toMatchObject({ code: 'EDGE_GHOST_DEVICE' });
  });

  it("creates the account of an app's user on its first sign-in and tells the recovery code once", async () => {
    const open = (identityStore: MemoryIdentityStore) =>
      EdgeClient.open({ url: supernode.url, identityStore, token: () => Promise.resolve('app:employee-7') });
    const store = new MemoryIdentityStore();
    const client = await open(store);
    clients.push(client);
    const codes: string[] = [];
    client.on('recovery-code', ({ code }) => codes.push(code));

    await client.connect();

    expect(client.identity.userId).toBe('employee-7');
    expect(codes).toEqual([expect.stringMatching(/^parley-recovery:/)]);
    const second = await open(new MemoryIdentityStore());
    clients.push(second);
    await expect(second.connect()).rejects.toMatchObject({ code: 'DEVICE_NOT_LINKED' });
  });

  it("creates the account of an app's user once when the answer got lost", async () => {
    const client = await EdgeClient.open({
      url: supernode.url,
      identityStore: new MemoryIdentityStore(),
      token: () => Promise.resolve('app:employee-8'),
      backoff: { baseMs: 10, capMs: 50 },
    });
    clients.push(client);
    const codes: string[] = [];
    client.on('recovery-code', ({ code }) => codes.push(code));
    loseAnswerTo('account.create');

    await client.connect();

    expect(client.identity.userId).toBe('employee-8');
    expect(codes).toHaveLength(1);
    expect(supernode.users.get(userIdOf(client))?.lists).toHaveLength(1);
  });

  it('asks the app before it trusts a new account key', async () => {
    const alice = await online('alice');
    const first = await EdgeClient.open({
      url: supernode.url,
      identityStore: new MemoryIdentityStore(),
      token: () => Promise.resolve('app:bob'),
    });
    await first.connect();
    const bob = userIdOf(first);
    await alice.devices(bob);
    await first.close();
    // The account is made anew: another root key under the same name.
    supernode.users.delete(bob);
    const second = await EdgeClient.open({
      url: supernode.url,
      identityStore: new MemoryIdentityStore(),
      token: () => Promise.resolve('app:bob'),
    });
    clients.push(second);
    await second.connect();
    supernode.lies.responses.set('account.devices', () => ({
      lists: supernode.users.get(bob)?.lists ?? [],
      complete: true,
    }));

    await expect(alice.devices(bob)).rejects.toMatchObject({ code: 'EDGE_ROOT_CHANGED' });
    await alice.acceptNewRoot(bob);

    expect((await alice.devices(bob).catch((error: unknown) => error)) as object).toMatchObject({
      code: 'EDGE_DEVICE_LIST_ROLLBACK',
    });
  });
});
