import { describe, expect, it } from '@jest/globals';
import {
  accepted,
  LIMITS,
  refused,
  type Acknowledgement,
  type ClientRequestName,
  type DeviceId,
  type MessageId,
  type RequestOf,
  type ResponseOf,
  type UserId,
} from '@parley/protocol';
import { asEdgeError, edgeError, errorFromWire } from '../errors.ts';
import { deferred, type Deferred } from '../session/deferred.ts';
import type { SendRequest } from '../signalling/signalling.ts';
import { MAX_REQUEST_BYTES, SendQueue } from './send-queue.ts';

type Sending = RequestOf<'message.send'>;
type Stored = ResponseOf<'message.send'>;

const ID = (length: number, at: number) => Buffer.alloc(length, at).toString('base64url');
const stored = (at: number): Stored => ({ storedAt: at, full: [] });

function message(at: number, sealedBytes = 900): Sending {
  return {
    messageId: ID(16, at) as MessageId,
    to: 'bob' as UserId,
    isReceipt: false,
    listVersions: { peer: 1, own: 1 },
    copies: [
      {
        to: { userId: 'bob' as UserId, deviceId: ID(32, 1) as DeviceId },
        envelope: { scheme: 'test', sealed: ID(sealedBytes, at) },
      },
    ],
  };
}

interface Asked {
  readonly name: ClientRequestName;
  readonly messages: readonly Sending[];
  readonly answer: Deferred<unknown>;
}

/** A queue whose supernode and clock the test holds in its hands. */
class Bench {
  readonly asked: Asked[] = [];
  readonly timers: { readonly ms: number; readonly action: () => void }[] = [];
  readonly outcomes: string[] = [];
  readonly queue = new SendQueue({
    request: ((name: ClientRequestName, payload: Sending | { readonly messages: readonly Sending[] }) => {
      const answer = deferred<unknown>();
      this.asked.push({ name, messages: 'messages' in payload ? payload.messages : [payload], answer });
      return answer.promise;
    }) as unknown as SendRequest,
    scheduler: {
      after: (ms, action) => {
        const timer = { ms, action };
        this.timers.push(timer);
        return () => void this.timers.splice(this.timers.indexOf(timer), 1);
      },
    },
  });

  send(at: number, request = message(at)): void {
    this.queue.send(request, at).then(
      ({ storedAt }) => this.outcomes.push(`${String(at)} stored ${String(storedAt)}`),
      (thrown: unknown) =>
        this.outcomes.push(`${String(at)} ${asEdgeError(thrown, 'EDGE_OPTIONS_INVALID').code}`),
    );
  }

  sendAll(from: number, to: number): void {
    for (let at = from; at <= to; at += 1) this.send(at);
  }

  /** One message is under way: what comes now collects. */
  async busy(): Promise<void> {
    this.send(0);
    await settled();
  }

  /** Name of each request so far, and how many messages it had. */
  get requests(): readonly string[] {
    return this.asked.map(({ name, messages }) => `${name} ${String(messages.length)}`);
  }

  last(): Asked {
    const last = this.asked.at(-1);
    if (!last) throw new TypeError('Nothing was asked.');
    return last;
  }

  async answer(outcomes: readonly (Acknowledgement<Stored> | null)[]): Promise<void> {
    const { name, answer } = this.last();
    const [first] = outcomes;
    answer.resolve(name === 'message.send' ? first?.ok && first.data : { outcomes });
    await settled();
  }

  async refuse(code: 'RATE_LIMITED' | 'UNKNOWN_EVENT' | 'FORBIDDEN', retryAfterMs?: number): Promise<void> {
    const { answer } = this.last();
    const reply = refused(code, 'no', retryAfterMs);
    answer.reject(reply.ok ? new TypeError('It is a refusal.') : errorFromWire(reply.error));
    await settled();
  }

  runTimers(): void {
    for (const { action } of this.timers.splice(0)) action();
  }
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
const all = (count: number) => Array.from({ length: count }, (_, at) => accepted(stored(at)));

describe('SendQueue', () => {
  it('sends what comes in one turn together, one message by itself, and what comes meanwhile together', async () => {
    const bench = new Bench();
    bench.send(1);
    await settled();
    expect(bench.requests).toEqual(['message.send 1']);
    bench.send(2);
    await settled();
    bench.sendAll(3, 4);
    await settled();
    expect(bench.asked).toHaveLength(1);

    await bench.answer(all(1));
    expect(bench.requests).toEqual(['message.send 1', 'message.send-batch 3']);
    await bench.answer(all(3));
    expect(bench.outcomes).toEqual(['1 stored 0', '2 stored 0', '3 stored 1', '4 stored 2']);

    bench.sendAll(5, 6);
    await settled();
    expect(bench.requests.at(-1)).toBe('message.send-batch 2');
  });

  it('keeps the order of the outbox, whichever was sealed first', async () => {
    const bench = new Bench();
    for (const at of [4, 2, 5, 3]) bench.send(at);
    await settled();

    expect(bench.last().messages.map(({ messageId }) => messageId)).toEqual(
      [2, 3, 4, 5].map((at) => ID(16, at)),
    );
  });

  it('fills a request to its limit in number', async () => {
    const bench = new Bench();
    await bench.busy();
    bench.sendAll(1, LIMITS.maxMessagesPerRequest + 1);
    await bench.answer(all(1));
    await bench.answer(all(LIMITS.maxMessagesPerRequest));

    expect(bench.requests).toEqual([
      'message.send 1',
      `message.send-batch ${String(LIMITS.maxMessagesPerRequest)}`,
      'message.send 1',
    ]);
  });

  it('fills a request to its limit in bytes, and sends what is larger by itself', async () => {
    const bench = new Bench();
    await bench.busy();
    for (let at = 1; at <= 8; at += 1) bench.send(at, message(at, LIMITS.maxSealedBytes));
    bench.send(9, message(9, MAX_REQUEST_BYTES));
    await bench.answer(all(1));
    for (let turn = 0; turn < 3; turn += 1) {
      const { messages } = bench.last();
      if (messages.length > 1)
        expect(JSON.stringify({ messages }).length).toBeLessThan(LIMITS.maxMessageBytes);
      await bench.answer(all(messages.length));
    }

    expect(bench.requests).toEqual([
      'message.send 1',
      'message.send-batch 3',
      'message.send-batch 3',
      'message.send-batch 2',
      'message.send 1',
    ]);
  });

  it('gives each message its own outcome', async () => {
    const bench = new Bench();
    await bench.busy();
    bench.sendAll(1, 4);
    await bench.answer(all(1));
    await bench.answer([accepted(stored(7)), refused('FORBIDDEN', 'no'), null]);

    expect(bench.outcomes).toEqual([
      '0 stored 0',
      '1 stored 7',
      '2 FORBIDDEN',
      '3 EDGE_PROTOCOL_VIOLATION',
      '4 EDGE_PROTOCOL_VIOLATION',
    ]);
  });

  it('gives the error of a request to all that were in it', async () => {
    const bench = new Bench();
    await bench.busy();
    bench.sendAll(1, 2);
    await bench.answer(all(1));
    bench.last().answer.reject(edgeError('EDGE_REQUEST_TIMEOUT'));
    await settled();

    expect(bench.outcomes).toEqual(['0 stored 0', '1 EDGE_REQUEST_TIMEOUT', '2 EDGE_REQUEST_TIMEOUT']);
  });

  it('waits for the request budget as long as it is told, and then sends the same in the same order', async () => {
    const bench = new Bench();
    await bench.busy();
    bench.sendAll(1, 2);
    await bench.answer(all(1));
    await bench.refuse('RATE_LIMITED', 320);
    bench.send(3);
    expect(bench.timers.map(({ ms }) => ms)).toEqual([320]);
    expect(bench.asked).toHaveLength(2);

    bench.runTimers();
    await settled();
    expect(bench.last().messages.map(({ messageId }) => messageId)).toEqual(
      [1, 2, 3].map((at) => ID(16, at)),
    );
    await bench.answer(all(3));
    expect(bench.outcomes).toEqual(['0 stored 0', '1 stored 0', '2 stored 1', '3 stored 2']);
  });

  it('does not wait for the budget of a connection that is gone', async () => {
    const bench = new Bench();
    await bench.busy();
    await bench.refuse('RATE_LIMITED');
    expect(bench.asked).toHaveLength(1);

    bench.queue.online();
    await settled();
    expect(bench.requests).toEqual(['message.send 1', 'message.send 1']);
    expect(bench.timers).toEqual([]);
  });

  it('sends one by one where the supernode does not know batches, until it is online anew', async () => {
    const bench = new Bench();
    await bench.busy();
    bench.sendAll(1, 3);
    await bench.answer(all(1));
    await bench.refuse('UNKNOWN_EVENT');
    expect(bench.requests.slice(2)).toEqual(Array.from({ length: 3 }, () => 'message.send 1'));
    for (const { answer } of bench.asked.slice(2)) answer.resolve(stored(9));
    await settled();
    bench.sendAll(4, 6);
    await settled();
    expect(bench.requests.slice(5)).toEqual(Array.from({ length: 3 }, () => 'message.send 1'));
    for (const { answer } of bench.asked.slice(5)) answer.resolve(stored(9));
    await settled();
    expect(bench.outcomes).toHaveLength(7);

    bench.queue.online();
    bench.sendAll(7, 8);
    await settled();
    expect(bench.requests.at(-1)).toBe('message.send-batch 2');
  });

  it('refuses what waits when it is closed', async () => {
    const bench = new Bench();
    await bench.busy();
    bench.sendAll(1, 2);
    bench.queue.close();
    await bench.refuse('RATE_LIMITED');

    expect(bench.outcomes.sort()).toEqual(['0 RATE_LIMITED', '1 EDGE_CLIENT_CLOSED', '2 EDGE_CLIENT_CLOSED']);
    expect(bench.timers).toEqual([]);
    expect(bench.asked).toHaveLength(1);
  });
});
