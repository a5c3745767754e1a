import { beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { MemoryMessageStore } from './memory-message-store.ts';
import type { MessageStore, StoreChange } from './message-store.ts';
import { messageKey, type MessageKey } from './stored-message.ts';
import { MessageWorld, type AppMood, type Fate, type WorldDevice } from './testing/message-world.ts';
import { newAccount, type TestAccount } from './testing/test-account.ts';

/** One thing that happens to the world. `a` and `b` choose devices. */
type Step =
  | { readonly kind: 'send'; readonly a: number; readonly b: number; readonly count: number }
  | { readonly kind: 'upgrade'; readonly takesBatches: boolean }
  | { readonly kind: 'crash' | 'connect' | 'disconnect' | 'events' | 'read'; readonly a: number }
  | { readonly kind: 'link'; readonly a: number; readonly b: number; readonly isUp: boolean }
  | { readonly kind: 'network'; readonly fates: readonly Fate[] }
  | { readonly kind: 'mood'; readonly a: number; readonly mood: AppMood }
  | { readonly kind: 'time'; readonly ms: number };

const device = fc.nat(3);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      ...{ kind: fc.constant('send' as const), a: device, b: device },
      count: fc.integer({ min: 1, max: 5 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('upgrade' as const), takesBatches: fc.boolean() }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constantFrom('crash', 'connect', 'disconnect', 'events', 'read'),
      a: device,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('link' as const), a: device, b: device, isUp: fc.boolean() }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('network' as const),
      fates: fc.array(fc.constantFrom<Fate>('ok', 'lose-request', 'lose-answer'), { maxLength: 8 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('mood' as const),
      a: device,
      mood: fc.constantFrom<AppMood>('acknowledge', 'refuse', 'hang'),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('time' as const), ms: fc.nat(5000) }) },
);

interface Sent {
  readonly key: MessageKey;
  readonly by: WorldDevice;
}

/** What a conversation broke, if anything, once all is well again. */
async function problemsOf(
  accounts: readonly TestAccount[],
  steps: readonly Step[],
  newStore?: () => MessageStore,
): Promise<readonly string[]> {
  const world = await MessageWorld.of(accounts, newStore);
  const sent: Sent[] = [];
  for (const one of steps) await perform(world, one, sent);
  await world.heal();
  const problems = world.devices.flatMap(({ violations }) => violations);
  for (const receiver of world.devices) {
    for (const { key, by } of sent) {
      const acknowledged = receiver.handed.get(key)?.acknowledged ?? 0;
      if (acknowledged !== (receiver === by ? 0 : 1))
        problems.push(`acknowledged ${String(acknowledged)} times`);
    }
    if (receiver.mailbox.items.length > 0) problems.push('a mailbox was not emptied');
  }
  const histories = await Promise.all(world.devices.map(historyOf));
  if (new Set(histories.map((history) => JSON.stringify(history))).size > 1) problems.push('orders differ');
  if (histories[0]?.length !== sent.length) problems.push('the history is not what was sent');
  for (const { by } of sent) {
    const own = await by.messages.history(peerOf(by), { limit: 1000 });
    const unconfirmed = own
      .filter(({ from }) => from.deviceId === by.party.deviceId)
      .filter(({ status }) => status !== 'delivered' && status !== 'read');
    if (unconfirmed.length > 0) problems.push('no delivered receipt came');
  }
  return problems;
}

function peerOf({ party }: WorldDevice) {
  return (party.userId === 'alice' ? 'bob' : 'alice') as typeof party.userId;
}

async function historyOf(one: WorldDevice): Promise<readonly string[]> {
  const history = await one.messages.history(peerOf(one), { limit: 1000 });
  return history.map(({ id, from }) => messageKey(from.deviceId, id));
}

async function perform(world: MessageWorld, one: Step, sent: Sent[]): Promise<void> {
  if (one.kind === 'network') world.fates = [...one.fates];
  else if (one.kind === 'time') await world.advance(one.ms);
  else if (one.kind === 'upgrade') world.takesBatches = one.takesBatches;
  else {
    const a = world.devices[one.a];
    if (!a) throw new TypeError('No such device.');
    if (one.kind === 'send') {
      const texts = Array.from({ length: one.count }, (_, at) => `message ${String(sent.length + at)}`);
      for (const { id } of await Promise.all(texts.map((text) => a.messages.send(peerOf(a), text))))
        sent.push({ key: messageKey(a.party.deviceId, id), by: a });
    } else if (one.kind === 'link') {
      const b = world.devices[one.b];
      if (b) world.setLink(a, b, one.isUp);
    } else if (one.kind === 'mood') a.mood = one.mood;
    else if (one.kind === 'crash') await a.crash();
    else if (one.kind === 'connect') a.connect();
    else if (one.kind === 'disconnect') a.disconnect();
    else if (one.kind === 'events') world.releaseEvents(a);
    else await a.messages.markRead(peerOf(a));
  }
  await world.settle();
}

/** Confirms messages that it keeps only until it is opened again: what acknowledges before it has committed does so. */
class ForgetfulStore extends MemoryMessageStore {
  override commit(changes: readonly StoreChange[]): Promise<void> {
    return super.commit(changes.filter((change) => change.table !== 'outbox' || change.value === null));
  }
}

/** Does not remember what it has taken. */
class CarelessStore extends MemoryMessageStore {
  override has(): boolean {
    return false;
  }
}

describe('a conversation of two users with two devices each', () => {
  let accounts: readonly TestAccount[];
  const steps = fc.array(step, { minLength: 5, maxLength: 40 });

  beforeAll(() => {
    accounts = [newAccount('alice', 2), newAccount('bob', 2)];
  });

  const property = (newStore?: () => MessageStore) =>
    fc.asyncProperty(steps, async (one) => {
      expect(await problemsOf(accounts, one, newStore)).toEqual([]);
    });

  it('loses nothing, doubles nothing, and has one order everywhere', async () => {
    await fc.assert(property(), { numRuns: 60 });
  }, 120_000);

  it('catches a store that loses what waits in the outbox', async () => {
    const result = await fc.check(
      property(() => new ForgetfulStore()),
      { numRuns: 100, endOnFailure: true },
    );

    expect(result.failed).toBe(true);
  }, 60_000);

  it('catches a store that does not know what it has taken', async () => {
    const result = await fc.check(
      property(() => new CarelessStore()),
      { numRuns: 100, endOnFailure: true },
    );

    expect(result.failed).toBe(true);
  }, 60_000);
});
