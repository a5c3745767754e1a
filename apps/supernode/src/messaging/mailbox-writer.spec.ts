import { describe, expect, it } from '@jest/globals';
import { LIMITS } from '@parley/protocol';
import fc from 'fast-check';
import { ManualTime, settled } from '../clock/testing/manual-time.ts';
import { SupernodeError } from '../errors.ts';
import { RecordingNotifier } from '../gateway/testing/recording-notifier.ts';
import type { Caller } from '../identity/caller.ts';
import { callerNamed } from '../identity/testing/callers.ts';
import { Metrics } from '../observability/metrics.ts';
import type { CorrespondenceState } from './correspondents.port.ts';
import { MailboxDelivery } from './mailbox-delivery.service.ts';
import type { MailboxStore } from './mailbox-store.port.ts';
import { MailboxWriter } from './mailbox-writer.ts';
import { MessageBatches } from './message-batches.ts';
import { MessagingMetrics } from './messaging-metrics.ts';
import { MessagingService } from './messaging.service.ts';
import { MemoryMailboxStore } from './testing/memory-mailbox-store.ts';
import { messageNamed, sendRequest } from './testing/sealed-copies.ts';

const ada = callerNamed('ada');
const carol = callerNamed('carol');
const bob = callerNamed('bob');
const bobTablet = callerNamed('bob', 'tablet');
const everybody = [ada, carol, bob, bobTablet];

const CONTACTS: CorrespondenceState['sides'] = { mine: 'accepted', theirs: 'accepted' };
const away = (): SupernodeError => new SupernodeError('SN_DB_UNREACHABLE', 'away');

/** How one commit ends: `lost` is committed, but nobody is told. */
type Fate = 'well' | 'failed' | 'lost';

interface WorldOptions {
  readonly sides?: CorrespondenceState['sides'];
  /** Of one commit after another, then all end well. */
  readonly fates?: readonly { readonly fate: Fate; readonly tookMs: number }[];
  /** Plants a fault: what the store tells in place of the truth. */
  readonly wrap?: (store: MailboxStore) => MailboxStore;
}

function setUp({ sides = CONTACTS, fates = [], wrap = (store) => store }: WorldOptions = {}) {
  const time = new ManualTime();
  const store = new MemoryMailboxStore();
  for (const device of everybody) store.open(device);
  const notifier = new RecordingNotifier();
  notifier.connect(bob);
  const rest = [...fates];
  const metrics = new Metrics({ withProcess: false });
  const counted = new MessagingMetrics(metrics);
  const wrapped = wrap(store);
  const unreliable: MailboxStore = {
    read: (...request) => store.read(...request),
    acknowledge: (...request) => store.acknowledge(...request),
    dropExpired: (...request) => store.dropExpired(...request),
    append: async (copies, storedAt) => {
      const { fate, tookMs } = rest.shift() ?? { fate: 'well', tookMs: 1 };
      await new Promise<void>((resolve) => time.after(tookMs, resolve));
      if (fate === 'failed') throw away();
      const outcomes = await wrapped.append(copies, storedAt);
      if (fate === 'lost') throw away();
      return outcomes;
    },
  };
  const devicesOf = (user: string) =>
    new Set(everybody.filter(({ userId }) => userId === user).map(({ deviceId }) => deviceId));
  const correspondents = {
    find: (pairs: readonly { sender: string; recipient: string }[]) =>
      Promise.resolve(
        pairs.map(({ sender, recipient }) => ({
          sender: { listVersion: 1, devices: devicesOf(sender) },
          recipient: { listVersion: 1, devices: devicesOf(recipient) },
          sides,
          unread: { requests: 0, others: 0 },
        })),
      ),
  };
  const delivery = new MailboxDelivery(notifier, counted);
  const batches = new MessageBatches(correspondents, unreliable, time, delivery, counted);
  const writer = new MailboxWriter(batches, unreliable, time, counted);
  const inboxOf = async (device: Caller): Promise<readonly string[]> => {
    const page = await store.read(device, 0, { items: 10_000, bytes: 1e9 });
    expect(page?.items.map(({ cursor }) => cursor)).toEqual(page?.items.map((_, at) => at + 1));
    return page?.items.map(({ from, messageId }) => `${from.userId} ${messageId}`) ?? [];
  };
  const service = new MessagingService(unreliable, writer, counted);
  return { time, writer, service, notifier, inboxOf, metrics };
}

interface Plan {
  readonly sender: Caller;
  /** Of one request; the same may be in it twice. */
  readonly names: readonly string[];
  readonly atMs: number;
  /** Before each retry, and once more after the acknowledgement. */
  readonly pauseMs: number;
  readonly attempts: number;
}

const plans = fc.array(
  fc.record({
    sender: fc.constantFrom(ada, carol),
    names: fc.array(fc.integer({ min: 0, max: 40 }).map(String), { minLength: 1, maxLength: 4 }),
    atMs: fc.integer({ min: 0, max: 60 }),
    pauseMs: fc.integer({ min: 0, max: 30 }),
    attempts: fc.integer({ min: 1, max: 5 }),
  }),
  { minLength: 1, maxLength: 60 },
);
const fates = fc.array(
  fc.record({
    fate: fc.constantFrom<Fate>('well', 'failed', 'lost'),
    tookMs: fc.integer({ min: 0, max: 20 }),
  }),
  { maxLength: 30 },
);

/** Sends as a client does: again after a retryable error, and sometimes again although it was acknowledged. */
async function carryOut(world: ReturnType<typeof setUp>, plan: Plan): Promise<ReadonlySet<string>> {
  const pause = (ms: number): Promise<void> => new Promise((resolve) => world.time.after(ms, resolve));
  const messages = plan.names.map((name) => sendRequest(bob.userId, [bob, bobTablet], name));
  const acknowledged = new Set<string>();
  await pause(plan.atMs);
  for (let attempt = 0; attempt < plan.attempts; attempt += 1) {
    const results = await world.service.sendBatch(plan.sender, { messages });
    for (const [at, result] of results.entries()) {
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'SN_DB_UNREACHABLE' });
      else {
        expect(result.value).toMatchObject({ full: [] });
        acknowledged.add(plan.names[at] ?? '');
      }
    }
    await pause(plan.pauseMs);
  }
  return acknowledged;
}

async function checkPromises(given: readonly Plan[], options: WorldOptions): Promise<void> {
  const world = setUp(options);
  const results = Promise.all(given.map((plan) => carryOut(world, plan)));
  await world.time.advance(5_000);
  const acknowledged = await results;

  for (const device of [bob, bobTablet]) {
    const inbox = await world.inboxOf(device);
    expect(new Set(inbox).size).toBe(inbox.length);
    for (const [at, { sender }] of given.entries()) {
      for (const name of acknowledged[at] ?? [])
        expect(inbox).toContain(`${sender.userId} ${messageNamed(name)}`);
    }
  }
  const shown = world.notifier.take(bob, 'mailbox.arrived').flatMap(({ items }) => items);
  const inbox = await world.inboxOf(bob);
  for (const item of shown) expect(inbox[item.cursor - 1]).toBe(`${item.from.userId} ${item.messageId}`);
  const shownKeys = shown.map(({ from, messageId }) => `${from.userId} ${messageId}`);
  for (const [at, { sender }] of given.entries()) {
    for (const name of acknowledged[at] ?? [])
      expect(shownKeys).toContain(`${sender.userId} ${messageNamed(name)}`);
  }
}

describe('MailboxWriter', () => {
  it('loses nothing it acknowledged and doubles nothing, whatever commits fail, are lost or are repeated', async () => {
    await fc.assert(
      fc.asyncProperty(plans, fates, (given, ends) => checkPromises(given, { fates: ends })),
      { numRuns: 150 },
    );
  }, 60_000);

  it.each<[string, (store: MailboxStore) => MailboxStore]>([
    [
      'forgets the last copy of a batch but acknowledges it',
      (store) => ({
        ...methods(store),
        append: async (copies, at) => {
          const outcomes = await store.append(copies.slice(0, -1), at);
          return [
            ...outcomes,
            outcomes[0] ?? { kind: 'stored', mark: { cursor: 1, storedAt: at, isRequest: false } },
          ];
        },
      }),
    ],
    [
      'does not recognise a copy that it has',
      (store) => ({
        ...methods(store),
        append: (copies, at) =>
          store.append(
            copies.map((copy, n) => ({
              ...copy,
              from: { ...copy.from, deviceId: callerNamed(`x${String(at)}${String(n)}`).deviceId },
            })),
            at,
          ),
      }),
    ],
  ])(
    'would be caught by this model if its store %s',
    async (_fault, wrap) => {
      await expect(
        fc.assert(
          fc.asyncProperty(plans, fates, (given, ends) => checkPromises(given, { fates: ends, wrap })),
          { numRuns: 150, endOnFailure: true },
        ),
      ).rejects.toThrow('Property failed');
    },
    60_000,
  );

  it('keeps the order of one sender', async () => {
    const { writer, time, inboxOf } = setUp();
    const names = Array.from({ length: 900 }, (_, n) => `message ${String(n)}`);

    const sent = Promise.all(names.map((name) => writer.send(ada, sendRequest(bob.userId, [bob], name))));
    await settled();
    await time.advance(100);
    await sent;

    expect(await inboxOf(bob)).toEqual(names.map((name) => `ada ${messageNamed(name)}`));
  });

  it("counts a stranger's messages of one batch against each other", async () => {
    const { writer, time, inboxOf, metrics } = setUp({ sides: { mine: 'none', theirs: 'none' } });
    const names = Array.from({ length: LIMITS.maxRequestsPerSender + 5 }, (_, n) => String(n));

    const sent = Promise.all(names.map((name) => writer.send(ada, sendRequest(bob.userId, [bob], name))));
    await settled();
    await time.advance(100);
    await sent;

    expect(await inboxOf(bob)).toHaveLength(LIMITS.maxRequestsPerSender);
    const { body } = await metrics.exposition();
    expect(body).toContain('parley_drops_total{component="messaging",reason="request-limit"} 5');
    expect(body).toContain(
      `parley_mailbox_copies_total{outcome="stored"} ${String(LIMITS.maxRequestsPerSender)}`,
    );
  });

  it('commits what waits when the supernode stops, and then takes nothing more', async () => {
    const { writer, time, inboxOf } = setUp();
    const sent = writer.send(ada, sendRequest(bob.userId, [bob], 'last'));

    const stopped = writer.onModuleDestroy();
    await settled();
    await time.advance(10);
    await Promise.all([sent, stopped]);

    expect(await inboxOf(bob)).toHaveLength(1);
    await expect(writer.send(ada, sendRequest(bob.userId, [bob], 'late'))).rejects.toMatchObject({
      code: 'SHUTTING_DOWN',
    });
  });
});

function methods(store: MailboxStore): MailboxStore {
  return {
    append: (...request) => store.append(...request),
    read: (...request) => store.read(...request),
    acknowledge: (...request) => store.acknowledge(...request),
    dropExpired: (...request) => store.dropExpired(...request),
  };
}
