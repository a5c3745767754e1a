import { describe, expect, it, jest } from '@jest/globals';
import { LIMITS } from '@parley/protocol';
import { BackgroundTasks } from '../background-tasks.ts';
import { ManualTime, settled } from '../clock/testing/manual-time.ts';
import { RecordingNotifier } from '../gateway/testing/recording-notifier.ts';
import { callerNamed } from '../identity/testing/callers.ts';
import { Metrics } from '../observability/metrics.ts';
import type { Refusal } from '../refusal.ts';
import { MailboxDelivery } from './mailbox-delivery.service.ts';
import { MailboxRetention } from './mailbox-retention.service.ts';
import { MailboxWriter } from './mailbox-writer.ts';
import { MessageBatches } from './message-batches.ts';
import { MessagingMetrics } from './messaging-metrics.ts';
import { MessagingService } from './messaging.service.ts';
import { MemoryMailboxStore } from './testing/memory-mailbox-store.ts';
import { copyFor, messageNamed, sendRequest } from './testing/sealed-copies.ts';

const ada = callerNamed('ada');
const bob = callerNamed('bob');
const HOUR = 3600_000;

function setUp() {
  const time = new ManualTime();
  const store = new MemoryMailboxStore();
  store.open(bob);
  const metrics = new Metrics({ withProcess: false });
  const counted = new MessagingMetrics(metrics);
  const notifier = new RecordingNotifier();
  const delivery = new MailboxDelivery(notifier, counted);
  const correspondents = {
    find: (pairs: readonly unknown[]) =>
      Promise.resolve(
        pairs.map(() => ({
          sender: { listVersion: 1, devices: new Set([ada.deviceId]) },
          recipient: { listVersion: 1, devices: new Set([bob.deviceId]) },
          sides: { mine: 'accepted' as const, theirs: 'accepted' as const },
          unread: { requests: 0, others: 0 },
        })),
      ),
  };
  const batches = new MessageBatches(correspondents, store, time, delivery, counted);
  const service = new MessagingService(store, new MailboxWriter(batches, store, time, counted), counted);
  const retention = new MailboxRetention(store, time, time, new BackgroundTasks(), counted);
  const appends = jest.spyOn(store, 'append');
  const metric = async (line: string): Promise<boolean> => (await metrics.exposition()).body.includes(line);
  return { time, store, service, appends, retention, delivery, notifier, metric };
}

describe('MessagingService', () => {
  it('tells a gap once: whoever reads on from the cursor of an answer is not told again', async () => {
    const { service, store, time } = setUp();
    await store.append([copyFor(bob, ada, 'a'), copyFor(bob, ada, 'b')], time.now());
    await store.dropExpired(time.now() + 1);

    const first = await service.read(bob, { after: 1 });
    const second = await service.read(bob, { after: first.cursor });
    await store.append([copyFor(bob, ada, 'c')], time.now());
    const third = await service.read(bob, { after: second.cursor });

    expect(first).toEqual({ items: [], hasMore: false, continuity: 'gap', cursor: 2 });
    expect(second).toEqual({ items: [], hasMore: false, continuity: 'complete', cursor: 2 });
    expect(third).toMatchObject({ items: [{ cursor: 3 }], continuity: 'complete', cursor: 3 });
  });

  it('leads through all pages without jumping over what lies between them and a gap', async () => {
    const { service, store, time } = setUp();
    await store.append(
      Array.from({ length: 5 }, (_, n) => copyFor(bob, ada, String(n))),
      time.now(),
    );

    const first = await service.read(bob, { after: 0, limit: 3 });
    const second = await service.read(bob, { after: first.cursor, limit: 3 });

    expect([first.cursor, first.hasMore, second.cursor, second.hasMore]).toEqual([3, true, 5, false]);
  });

  it('refuses a device without a mailbox', async () => {
    const { service } = setUp();

    await expect(service.read(ada, { after: 0 })).rejects.toMatchObject({ code: 'DEVICE_NOT_LINKED' });
  });

  it('commits the messages of a batch together, and refuses one without the others', async () => {
    const { service, store, time, appends } = setUp();
    const good = (name: string) => sendRequest(bob.userId, [bob], name);
    const messages = [good('a'), sendRequest(bob.userId, [ada], 'to itself'), null, good('b'), good('a')];

    const sent = service.sendBatch(ada, { messages });
    await time.advance(10);
    const results = await sent;

    expect(
      results.map((result) => (result.status === 'fulfilled' ? 'stored' : (result.reason as Refusal).code)),
    ).toEqual(['stored', 'BAD_REQUEST', 'BAD_REQUEST', 'stored', 'stored']);
    expect(appends).toHaveBeenCalledTimes(1);
    expect((await store.read(bob, 0, { items: 9, bytes: 9_999 }))?.items).toMatchObject([
      { cursor: 1, messageId: messageNamed('a') },
      { cursor: 2, messageId: messageNamed('b') },
    ]);
  });

  it('answers a batch when the last of its messages is committed', async () => {
    const { service, time, appends } = setUp();
    let release = (): void => undefined;
    appends.mockImplementationOnce(async (copies) => {
      await new Promise<void>((resolve) => (release = resolve));
      return copies.map(() => ({ kind: 'discarded' as const }));
    });
    let isAnswered = false;

    const sent = service
      .sendBatch(ada, { messages: [sendRequest(bob.userId, [bob], 'a'), null] })
      .then(() => (isAnswered = true));
    await time.advance(1_000);
    expect(isAnswered).toBe(false);
    release();
    await sent;
  });

  it('counts what it delivers and what is taken', async () => {
    const { service, store, time, metric } = setUp();
    await store.append([copyFor(bob, ada, 'a'), copyFor(bob, ada, 'b')], time.now());

    await service.read(bob, { after: 0 });
    const taken = service.acknowledge(bob, { cursors: [1, 1, 9] });
    await time.advance(10);
    await taken;

    expect(await metric('parley_mailbox_delivered_total{road="read"} 2')).toBe(true);
    expect(await metric('parley_mailbox_acknowledged_total 1')).toBe(true);
  });
});

describe('MailboxRetention', () => {
  it('drops what nobody fetched in time, hour by hour, and counts it', async () => {
    const { time, store, retention, metric } = setUp();
    await store.append([copyFor(bob, ada, 'old')], time.now());
    await time.advance(HOUR);
    await store.append([copyFor(bob, ada, 'new')], time.now());
    retention.onModuleInit();

    await time.advance(LIMITS.mailboxRetentionMs);

    expect((await store.read(bob, 0, { items: 9, bytes: 9_999 }))?.items).toMatchObject([{ cursor: 2 }]);
    expect(await metric('parley_drops_total{component="messaging",reason="expired"} 1')).toBe(true);
    retention.onModuleDestroy();
    expect(time.pendingTimers).toBe(0);
  });
});

describe('MailboxDelivery', () => {
  it('shows what was stored to who is connected, each device its own, and nothing else', async () => {
    const { delivery, notifier, metric } = setUp();
    const tablet = callerNamed('bob', 'tablet');
    notifier.connect(bob);
    const mark = (cursor: number) => ({ cursor, storedAt: 5, isRequest: false });
    const copies = [
      copyFor(bob, ada, 'a'),
      copyFor(tablet, ada, 'a'),
      copyFor(bob, ada, 'b'),
      copyFor(bob, ada, 'c'),
    ];

    delivery.arrived(copies, [
      { kind: 'stored', mark: mark(1) },
      { kind: 'stored', mark: mark(1) },
      { kind: 'full' },
      { kind: 'duplicate', mark: mark(2) },
    ]);
    expect(notifier.events).toEqual([]);
    await settled();

    expect(notifier.events.map(({ device }) => device.deviceId)).toEqual([bob.deviceId]);
    expect(notifier.take(bob, 'mailbox.arrived')).toMatchObject([
      {
        items: [
          { cursor: 1, messageId: copies[0]?.messageId },
          { cursor: 2, messageId: copies[3]?.messageId },
        ],
      },
    ]);
    expect(await metric('parley_mailbox_delivered_total{road="event"} 2')).toBe(true);
  });
});
