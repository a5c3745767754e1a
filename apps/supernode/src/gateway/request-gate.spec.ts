import { describe, expect, it } from '@jest/globals';
import { CLIENT_REQUESTS, LIMITS, type Acknowledgement } from '@parley/protocol';
import { ManualTime } from '../clock/testing/manual-time.ts';
import { Metrics } from '../observability/metrics.ts';
import { Connection } from './connection.ts';
import { RequestGate } from './request-gate.ts';
import { RequestHandlers } from './request-handlers.ts';
import { RecordingTransport } from './testing/recording-transport.ts';

const BURST = LIMITS.requestsPerSecond * LIMITS.requestBurstFactor;
const MESSAGES_PER_SECOND = 75;
const MESSAGE_BURST = MESSAGES_PER_SECOND * LIMITS.requestBurstFactor;

function setUp() {
  const time = new ManualTime();
  const transport = new RecordingTransport();
  const connection = new Connection('192.0.2.1', transport, time);
  const handlers = new RequestHandlers();
  for (const event of Object.keys(CLIENT_REQUESTS))
    if (event !== 'relay.renew') handlers.add(event, () => Promise.resolve());
  const gate = new RequestGate(new Metrics({ withProcess: false }), handlers, time, {
    messageRequestsPerSecond: MESSAGES_PER_SECOND,
  }).open(connection);
  const codes: string[] = [];
  const acknowledge = (reply: Acknowledgement<unknown>) => codes.push(reply.ok ? 'ok' : reply.error.code);
  const send = (event: unknown, ...rest: unknown[]) => gate([event, ...rest, acknowledge]);
  return { time, transport, connection, gate, codes, send };
}

describe('RequestGate', () => {
  it('lets known events through that somebody waits for', () => {
    const { gate, codes, send } = setUp();

    expect(send('challenge', {})).toBe(true);
    expect(gate(['challenge', {}])).toBe(false);
    expect(gate([])).toBe(false);
    expect(codes).toEqual([]);
  });

  it.each(['no.such.event', 'toString', 'relay.renew', 7, null])(
    'refuses %s, which is not served',
    (event) => {
      const { codes, send } = setUp();

      expect(send(event, {})).toBe(false);
      expect(codes).toEqual(['UNKNOWN_EVENT']);
    },
  );

  it('keeps to the budget, which refills', async () => {
    const { time, codes, send } = setUp();
    for (let sent = 0; sent < BURST; sent++) expect(send('challenge', {})).toBe(true);
    expect(send('challenge', {})).toBe(false);
    expect(codes).toEqual(['RATE_LIMITED']);

    await time.advance(1000 / LIMITS.requestsPerSecond);

    expect(send('challenge', {})).toBe(true);
  });

  it('counts messages apart from everything else', async () => {
    const { time, codes, send } = setUp();
    const requests = ['message.send', 'mailbox.read', 'mailbox.acknowledge'];
    for (let sent = 0; sent < MESSAGE_BURST; sent++) expect(send(requests[sent % 3], {})).toBe(true);
    expect(send('mailbox.read', {})).toBe(false);
    for (let sent = 0; sent < BURST; sent++) expect(send('presence.set', {})).toBe(true);
    expect(send('presence.set', {})).toBe(false);
    expect(codes).toEqual(['RATE_LIMITED', 'RATE_LIMITED']);

    await time.advance(Math.ceil(1000 / MESSAGES_PER_SECOND));

    expect(send('presence.set', {})).toBe(false);
    expect(send('message.send', {})).toBe(true);
  });

  it('counts the messages of a batch, not the batch', async () => {
    const { time, codes, send } = setUp();
    const batch = (count: number) => ({ messages: Array.from({ length: count }, () => null) });
    const [size, whole] = [50, MESSAGE_BURST / 50];
    for (let sent = 0; sent < whole; sent++) expect(send('message.send-batch', batch(size))).toBe(true);
    expect(send('message.send-batch', batch(1))).toBe(false);

    await time.advance(Math.ceil((size * 1000) / MESSAGES_PER_SECOND));

    expect(send('message.send-batch', batch(size + 1))).toBe(false);
    expect(send('message.send-batch', batch(size))).toBe(true);
    expect(codes).toEqual(['RATE_LIMITED', 'RATE_LIMITED']);
  });

  it.each([undefined, null, 'text', {}, { messages: 7 }, { messages: [] }])(
    'takes a batch of %p for one request, and leaves it to the schema',
    (payload) => {
      const { send } = setUp();

      for (let sent = 0; sent < MESSAGE_BURST; sent++) expect(send('message.send-batch', payload)).toBe(true);
      expect(send('message.send-batch', payload)).toBe(false);
    },
  );

  it('asks no more for a batch than for the largest that there may be', () => {
    const { send } = setUp();

    expect(send('message.send-batch', { messages: Array.from({ length: MESSAGE_BURST * 2 }) })).toBe(true);
    expect(send('message.send-batch', { messages: Array.from({ length: 200 }) })).toBe(true);
  });

  it('admits a bounded number of requests at one time', () => {
    const { connection, codes, send } = setUp();
    for (let begun = 0; begun < 64; begun++) connection.requestBegins();

    expect(send('challenge', {})).toBe(false);
    connection.requestEnds();
    expect(send('challenge', {})).toBe(true);
    expect(codes).toEqual(['RATE_LIMITED']);
  });

  it('closes the connection of who does not stop, and takes nothing from a closing one', () => {
    const { transport, codes, send } = setUp();

    for (let sent = 0; sent < BURST + 1_001; sent++) send('challenge', {});
    expect(transport.isClosed).toBe(true);
    const answered = codes.length;

    expect(send('challenge', {})).toBe(false);
    expect(codes.length).toBe(answered);
  });
});
