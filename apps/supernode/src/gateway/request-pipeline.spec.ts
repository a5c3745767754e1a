import { Logger } from '@nestjs/common';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { DEFAULT_TENANT, userIdSchema, type Acknowledgement, type ClientRequestName } from '@parley/protocol';
import { ManualTime } from '../clock/testing/manual-time.ts';
import { SigningDevice } from '../identity/testing/signing-device.ts';
import { SupernodeError } from '../errors.ts';
import { Refusal } from '../refusal.ts';
import { Metrics } from '../observability/metrics.ts';
import { Connection } from './connection.ts';
import type { EdgeSocket } from './edge-socket.ts';
import { FollowedReply } from './reply.ts';
import { RequestPipeline, type HandlerArguments } from './request-pipeline.ts';
import { MovableRoster } from './testing/movable-ownership.ts';
import { RecordingTransport } from './testing/recording-transport.ts';

const caller = {
  tenant: DEFAULT_TENANT,
  userId: userIdSchema.parse('ada'),
  deviceId: new SigningDevice().deviceId,
  linked: true,
};

function setUp() {
  const time = new ManualTime();
  const metrics = new Metrics({ withProcess: false });
  const roster = new MovableRoster();
  const here = roster.join('here');
  const pipeline = new RequestPipeline(metrics, here.homes, time);
  const connection = new Connection('192.0.2.1', new RecordingTransport(), time);
  const log: unknown[] = [];
  const serve = async (event: ClientRequestName, payload: unknown, handle: (request: unknown) => unknown) => {
    const socket = { data: { connection } } as unknown as EdgeSocket;
    const received: HandlerArguments = [
      socket,
      payload,
      (reply: Acknowledgement<unknown>) => log.push(reply),
      event,
    ];
    await pipeline.serve(received, () => Promise.resolve(handle(received[1])));
  };
  return { time, connection, log, serve, pipeline, metrics, roster, here };
}

// The fault that a test provokes is asserted by its answer; its log entry would only be noise.
beforeAll(() => {
  Logger.overrideLogger(false);
});
afterAll(() => {
  Logger.overrideLogger(['error']);
});

const refusal = (code: string): unknown =>
  expect.objectContaining({ error: expect.objectContaining({ code }) });

describe('RequestPipeline', () => {
  it('gives the handler the parsed request and acknowledges its result', async () => {
    const { log, serve } = setUp();

    await serve('challenge', { versions: [1], unknown: true }, (request) => ({ request }));

    expect(log).toEqual([{ ok: true, data: { request: { versions: [1] } } }]);
  });

  it('does what follows a reply after the acknowledgement', async () => {
    const { log, serve } = setUp();

    await serve(
      'challenge',
      { versions: [1] },
      () => new FollowedReply('welcome', () => log.push('afterwards')),
    );

    expect(log).toEqual([{ ok: true, data: 'welcome' }, 'afterwards']);
  });

  it('serves the devices of its own users, and says to others where their home is', async () => {
    const { connection, log, serve, roster } = setUp();
    const there = roster.join('there');
    connection.device = { caller, hasAccount: true };
    await serve('contacts.list', {}, () => 'served');
    roster.move([caller], there);
    await serve('contacts.list', {}, () => 'served');

    expect(log).toEqual([
      { ok: true, data: 'served' },
      {
        ok: false,
        error: expect.objectContaining({ code: 'NOT_HOME', alternates: ['http://there.example.net'] }),
      },
    ]);
  });

  it('names the home where a store found out during a request that the user has another one', async () => {
    const { connection, log, serve, roster } = setUp();
    const there = roster.join('there');
    connection.device = { caller, hasAccount: true };

    await serve('contacts.list', {}, () => {
      roster.move([caller], there);
      return Promise.reject(new SupernodeError('SN_NOT_OWNER', 'outranked'));
    });

    expect(log).toEqual([
      {
        ok: false,
        error: expect.objectContaining({ code: 'NOT_HOME', alternates: ['http://there.example.net'] }),
      },
    ]);
  });

  it('lets nobody in who is not of the audience, whatever the payload', async () => {
    const { connection, log, serve } = setUp();
    const neverCalled = () => log.push('called');

    await serve('contacts.list', 'garbage', neverCalled);
    connection.device = { caller: { ...caller, linked: false }, hasAccount: false };
    await serve('contacts.list', {}, neverCalled);
    connection.device = { caller: { ...caller, linked: false }, hasAccount: true };
    await serve('contacts.list', {}, neverCalled);

    expect(log).toEqual([
      refusal('NOT_AUTHENTICATED'),
      refusal('ACCOUNT_REQUIRED'),
      refusal('DEVICE_NOT_LINKED'),
    ]);
  });

  it('answers for a handler that does not end, once', async () => {
    const { time, connection, log, serve } = setUp();
    let finish: (value: string) => void = () => undefined;
    const served = serve('challenge', { versions: [1] }, () => new Promise((resolve) => (finish = resolve)));
    await time.advance(14_999);
    expect(log).toEqual([]);
    expect(connection.requestsUnderWay).toBe(1);

    await time.advance(1);
    await served;
    finish('late');
    await time.advance(1);

    expect(log).toEqual([refusal('BUSY')]);
    expect(connection.requestsUnderWay).toBe(0);
    expect(connection.isOpen).toBe(false);
    expect(time.pendingTimers).toBe(0);
  });

  it('takes it for a fault where somebody is signed in, whose connection stays', async () => {
    const { time, connection, log, serve } = setUp();
    connection.device = { caller, hasAccount: true };
    const served = serve('contacts.list', {}, () => new Promise(() => undefined));
    await time.advance(15_000);
    await served;

    expect(log).toEqual([refusal('INTERNAL')]);
    expect(connection.isOpen).toBe(true);
  });

  it('answers the parts of a request one by one, and logs a fault once that several of them share', async () => {
    const { pipeline, metrics } = setUp();
    const fault = new TypeError('away');
    const logged = jest.spyOn(Logger.prototype, 'error');

    const answers = pipeline.answerEach('message.send', [
      { status: 'fulfilled', value: 1 },
      { status: 'rejected', reason: fault },
      { status: 'rejected', reason: new Refusal('FORBIDDEN') },
      { status: 'rejected', reason: fault },
    ]);

    expect(answers).toEqual([
      { ok: true, data: 1 },
      refusal('INTERNAL'),
      refusal('FORBIDDEN'),
      refusal('INTERNAL'),
    ]);
    expect(logged).toHaveBeenCalledTimes(1);
    logged.mockRestore();
    const { body } = await metrics.exposition();
    expect(body).toContain('parley_edge_requests_total{event="message.send",outcome="INTERNAL"} 2');
    expect(body).toContain('parley_edge_requests_total{event="message.send",outcome="FORBIDDEN"} 1');
  });
});
