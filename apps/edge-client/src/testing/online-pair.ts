import { EdgeClient } from '../client/edge-client.ts';
import { MemoryIdentityStore } from '../identity/identity-store.ts';
import { importKeyPair, type KeyPair } from '../identity/keys.ts';
import type { FakeSupernode } from './fake-supernode.ts';

const stores = new WeakMap<EdgeClient, MemoryIdentityStore>();

/** The device key of a test client, which no client gives away. */
export async function deviceKeyOf(client: EdgeClient): Promise<KeyPair> {
  const document = await stores.get(client)?.load('identity');
  if (!document) throw new TypeError('The client was not made by newClient.');
  return importKeyPair('Ed25519', document.deviceKey);
}

/** A client on loopback with a new identity. */
export async function openClient(supernode: FakeSupernode, deviceName: string): Promise<EdgeClient> {
  const identityStore = new MemoryIdentityStore();
  const client = await EdgeClient.open({
    url: supernode.url,
    identityStore,
    deviceName,
    connectTimeoutMs: 20_000,
    backoff: { baseMs: 10, capMs: 50 },
    udp: { bind: { ipv4: { address: '127.0.0.1' }, ipv6: false }, includeLoopback: true },
  });
  stores.set(client, identityStore);
  return client;
}

/** A registered client on loopback; not connected yet. */
export async function newClient(supernode: FakeSupernode, handle: string): Promise<EdgeClient> {
  const client = await openClient(supernode, `${handle}'s device`);
  await client.register({ handle });
  return client;
}

/** Two online clients that are contacts of each other. */
export async function onlinePair(
  supernode: FakeSupernode,
): Promise<{ readonly alice: EdgeClient; readonly bob: EdgeClient }> {
  const [alice, bob] = await Promise.all([newClient(supernode, 'alice'), newClient(supernode, 'bob')]);
  await Promise.all([alice.connect(), bob.connect()]);
  const [aliceId, bobId] = [userIdOf(alice), userIdOf(bob)];
  const arrived = new Promise<void>((resolve) => {
    bob.contacts.on('change', ({ contact }) => contact?.state === 'pending-in' && resolve());
  });
  const agreed = new Promise<void>((resolve) => {
    alice.contacts.on('change', ({ contact }) => contact?.state === 'accepted' && resolve());
  });
  await alice.contacts.request(bobId);
  await arrived;
  await bob.contacts.accept(aliceId);
  await agreed;
  return { alice, bob };
}

/** The account of a registered client. */
export function userIdOf(client: EdgeClient) {
  const { userId } = client.identity;
  if (userId === undefined) throw new TypeError('The client is not registered.');
  return userId;
}
