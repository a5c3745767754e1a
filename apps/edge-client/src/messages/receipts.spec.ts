import { describe, expect, it } from '@jest/globals';
import { deferred, type Deferred } from '../session/deferred.ts';
import { MemoryMessageStore } from './memory-message-store.ts';
import type { StoreChange } from './message-store.ts';
import { MessageWorld } from './testing/message-world.ts';
import { newAccount } from './testing/test-account.ts';

/** Holds commits of what is to be sent back while there is a gate. */
class GatedStore extends MemoryMessageStore {
  gate: Deferred<undefined> | undefined;

  override async commit(changes: readonly StoreChange[]): Promise<void> {
    if (changes.some(({ table }) => table === 'outbox')) await this.gate?.promise;
    await super.commit(changes);
  }
}

describe('receipts', () => {
  it('that became due while others were being committed leave afterwards', async () => {
    const stores: GatedStore[] = [];
    const world = await MessageWorld.of([newAccount('alice', 1), newAccount('bob', 1)], () => {
      const store = new GatedStore();
      stores.push(store);
      return store;
    });
    const [alice, bob] = world.devices;
    const [, disk] = stores;
    if (!alice || !bob || !disk) throw new TypeError('The world is empty.');
    alice.connect();
    bob.connect();
    const gate = deferred<undefined>();
    disk.gate = gate;
    await alice.messages.send(bob.party.userId, 'one');
    await world.advance(120);
    const second = await alice.messages.send(bob.party.userId, 'two');
    await world.advance(120);
    let isDelivered = false;
    void second.delivered.then(() => (isDelivered = true));
    disk.gate = undefined;
    gate.resolve(undefined);
    await world.advance(120);
    await world.advance(120);

    expect(isDelivered).toBe(true);
  });
});
