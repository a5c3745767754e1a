import { randomBytes } from 'node:crypto';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { encodeBase64url, type Message, type MessageId } from '@parley/protocol';
import { FileMessageStore } from './file-message-store.ts';
import { MemoryMessageStore } from './memory-message-store.ts';
import { conversationIdOf, sealMessage } from './message-sealing.ts';
import type { StoreChange } from './message-store.ts';
import { MessageWorld, type WorldDevice } from './testing/message-world.ts';
import { PlainProvider } from './testing/plain-provider.ts';
import { newAccount, TENANT } from './testing/test-account.ts';

/** Takes some turns for a commit, as a disk does, and can refuse the next one. */
class SlowStore extends MemoryMessageStore {
  readonly commits: (readonly StoreChange[])[] = [];
  refusal: Error | undefined;

  override async commit(changes: readonly StoreChange[]): Promise<void> {
    this.commits.push(changes);
    await new Promise((resolve) => setImmediate(resolve));
    const { refusal } = this;
    this.refusal = undefined;
    if (refusal) throw refusal;
    await super.commit(changes);
  }
}

async function copiesFor({ party: to }: WorldDevice, { party: by }: WorldDevice, count: number) {
  const from = { userId: by.userId, deviceId: by.deviceId };
  return Promise.all(
    Array.from({ length: count }, async (_, at) => {
      const messageId = encodeBase64url(randomBytes(16)) as MessageId;
      const message: Message = {
        conversation: conversationIdOf(TENANT, by.userId, to.userId),
        ...{ messageId, from, to: { userId: to.userId, deviceId: to.deviceId }, peer: to.userId },
        ...{ sentAt: 1_800_000_000_000, clock: at + 1, content: { kind: 'text', text: 'hello' } },
      };
      const envelope = await sealMessage(message, by.deviceKey, new PlainProvider(to.deviceId), {
        deviceId: to.deviceId,
        agreementKey: to.agreementKey.publicKey,
      });
      return { from, messageId, envelope };
    }),
  );
}

describe('copies that come over a session', () => {
  let stores: SlowStore[];
  let alice: WorldDevice;
  let bob: WorldDevice;

  beforeEach(async () => {
    stores = [];
    const world = await MessageWorld.of([newAccount('alice', 1), newAccount('bob', 1)], () => {
      const store = new SlowStore();
      stores.push(store);
      return store;
    });
    const [first, second] = world.devices;
    if (!first || !second) throw new TypeError('The world is empty.');
    [alice, bob] = [first, second];
  });

  it('share the commit of what waits', async () => {
    const copies = await copiesFor(bob, alice, 30);
    const taken = await Promise.all(copies.map((copy) => bob.messages.take(copy)));

    expect(taken).toEqual(copies.map(() => true));
    const arrivals = stores[1]?.commits.filter((changes) =>
      changes.some((change) => change.table === 'messages' && change.value.state === 'arrived'),
    );
    expect(arrivals).toHaveLength(1);
    await until(() => bob.handed.size === 30);
  });

  it('are none of them taken when the store refuses, and all of them the next time', async () => {
    const copies = await copiesFor(bob, alice, 3);
    const refusal = new TypeError('The disk is full.');
    if (stores[1]) stores[1].refusal = refusal;
    const refused = await Promise.allSettled(copies.map((copy) => bob.messages.take(copy)));
    expect(refused).toEqual(copies.map(() => ({ status: 'rejected', reason: refusal })));
    expect(bob.handed.size).toBe(0);

    await Promise.all(copies.map((copy) => bob.messages.take(copy)));
    await until(() => bob.handed.size === 3);
    expect([...bob.handed.values()].map(({ times }) => times)).toEqual([1, 1, 1]);
  });

  it('leave no trace in the request box when the store refuses', async () => {
    bob.contacts.delete(alice.party.userId);
    const copies = await copiesFor(bob, alice, 20);
    if (stores[1]) stores[1].refusal = new TypeError('The disk is full.');
    await Promise.allSettled(copies.map((copy) => bob.messages.take(copy)));
    await Promise.all(copies.map((copy) => bob.messages.take(copy)));

    expect(await bob.messages.requests.list()).toHaveLength(20);
    expect(bob.drops.snapshot()).toEqual({});
  });
});

describe('messages on a disk', () => {
  const folders: string[] = [];

  afterEach(async () => {
    for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
  });

  it('are sent, received and acknowledged with far fewer syncs than there are of them', async () => {
    for (let at = 0; at < 2; at += 1) folders.push(await mkdtemp(join(tmpdir(), 'parley-messages-')));
    const unused = [...folders];
    const world = await MessageWorld.of(
      [newAccount('alice', 1), newAccount('bob', 1)],
      () => new FileMessageStore(unused.shift() ?? ''),
    );
    const [alice, bob] = world.devices;
    if (!alice || !bob) throw new TypeError('The world is empty.');
    const handle = await open(join(folders[0] ?? '', 'messages.log'), 'r');
    const syncs = jest.spyOn(Object.getPrototypeOf(handle) as typeof handle, 'datasync');
    await handle.close();
    try {
      alice.connect();
      bob.connect();
      const sent = await Promise.all(
        Array.from({ length: 100 }, (_, at) =>
          alice.messages.send(bob.party.userId, `message ${String(at)}`),
        ),
      );
      let delivered = 0;
      for (const one of sent) void one.delivered.then(() => (delivered += 1));
      await until(async () => {
        await world.advance(50);
        return delivered === 100 && bob.mailbox.items.length === 0;
      });

      // Each message is kept, noted as stored and marked at one end, kept and acknowledged at the other.
      expect(syncs.mock.calls.length).toBeLessThan(100);
    } finally {
      syncs.mockRestore();
      for (const device of world.devices) await device.messages.close();
    }
  });
});

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new TypeError('It did not come to pass.');
    await new Promise((resolve) => setImmediate(resolve));
  }
}
