import { EdgeClient } from '../client/edge-client.ts';
import { MemoryIdentityStore } from '../identity/identity-store.ts';
import type { FakeSupernode } from './fake-supernode.ts';

/** A registered client on loopback; not connected yet. */
export async function newClient(supernode: FakeSupernode, handle: string): Promise<EdgeClient> {
  const client = await EdgeClient.open({
    url: supernode.url,
    identityStore: new MemoryIdentityStore(),
    deviceName: `${handle}'s device`,
    connectTimeoutMs: 5000,
    backoff: { baseMs: 10, capMs: 50 },
    udp: { bind: { ipv4: { address: '127.0.0.1' }, ipv6: false }, includeLoopback: true },
  });
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
