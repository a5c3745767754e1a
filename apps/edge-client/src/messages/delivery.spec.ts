import { describe, expect, it } from '@jest/globals';
import type { ConversationId, DeviceId, MessageId, UserId } from '@parley/protocol';
import { deferred, type Deferred } from '../session/deferred.ts';
import { Delivery } from './delivery.ts';
import { keyOfMessage, type MessageKey, type StoredMessage } from './stored-message.ts';

const ID = (length: number, at: number) => Buffer.alloc(length, at).toString('base64url');

function message(at: number): StoredMessage {
  return {
    conversation: ID(32, 200) as ConversationId,
    messageId: ID(16, at) as MessageId,
    from: { userId: 'bob' as UserId, deviceId: ID(32, 1) as DeviceId },
    peer: 'bob' as UserId,
    sentAt: 1,
    clock: at + 1,
    content: { kind: 'text', text: `text ${String(at)}` },
    ...{ state: 'arrived', storedAt: null, receipts: {}, isRead: false },
  };
}

/** A delivery whose store and clock the test holds in its hands. */
class Bench {
  readonly handed: number[] = [];
  readonly commits: Deferred<undefined>[] = [];
  readonly acknowledged: MessageKey[] = [];
  readonly failures: unknown[] = [];
  readonly timers: (() => void)[] = [];
  readonly delivery = new Delivery(
    {
      random: () => 0.5,
      scheduler: {
        after: (_ms, action) => {
          this.timers.push(action);
          return () => undefined;
        },
      },
    },
    {
      acknowledge: () => {
        const commit = deferred<undefined>();
        this.commits.push(commit);
        return commit.promise;
      },
      acknowledged: (key) => this.acknowledged.push(key),
      failed: (_message, thrown) => this.failures.push(thrown),
    },
  );

  constructor() {
    this.delivery.handle(({ clock }) => {
      this.handed.push(clock - 1);
      return Promise.resolve();
    });
  }

  async settle(): Promise<void> {
    for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('Delivery', () => {
  it('hands out the next message while acknowledgements are being committed', async () => {
    const bench = new Bench();
    for (let at = 0; at < 5; at += 1) bench.delivery.add(message(at));
    await bench.settle();

    expect(bench.handed).toEqual([0, 1, 2, 3, 4]);
    expect(bench.acknowledged).toEqual([]);
    for (const commit of bench.commits) commit.resolve(undefined);
    await bench.settle();
    expect(bench.acknowledged).toEqual([0, 1, 2, 3, 4].map((at) => keyOfMessage(message(at))));
  });

  it('runs only so far ahead of the store', async () => {
    const bench = new Bench();
    for (let at = 0; at < 40; at += 1) bench.delivery.add(message(at));
    await bench.settle();
    expect(bench.handed).toHaveLength(32);

    bench.commits[0]?.resolve(undefined);
    await bench.settle();
    expect(bench.handed).toHaveLength(33);
  });

  it('commits an acknowledgement again that the store refused, and does not ask the app again', async () => {
    const bench = new Bench();
    const refusal = new TypeError('The disk is full.');
    bench.delivery.add(message(0));
    await bench.settle();
    bench.commits[0]?.reject(refusal);
    await bench.settle();
    expect(bench.failures).toEqual([refusal]);
    expect(bench.acknowledged).toEqual([]);

    for (const timer of bench.timers.splice(0)) timer();
    bench.commits[1]?.resolve(undefined);
    await bench.settle();
    expect(bench.acknowledged).toEqual([keyOfMessage(message(0))]);
    expect(bench.handed).toEqual([0]);
  });
});
