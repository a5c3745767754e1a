import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { CLIENT_REQUESTS, LIMITS, type ClientRequestName } from '@parley/protocol';
import fc from 'fast-check';
import { Manager } from 'socket.io-client';
import { EdgeHarness } from './testing/edge-harness.ts';

/** The transport below socket.io, which takes any text. */
interface RawEngine {
  on(event: 'data', listener: (packet: string) => void): void;
  write(packet: string): void;
  close(): void;
}

let edge: EdgeHarness;
beforeAll(async () => {
  edge = await EdgeHarness.start({ SUPERNODE_CORS_ORIGINS: 'https://app.example.org' });
}, 60_000);
afterEach(() => edge.closeConnections());
afterAll(() => edge.stop());

/** `sign-off` comes last: after it nothing else would be served. */
const EVENTS = [
  ...(Object.keys(CLIENT_REQUESTS) as ClientRequestName[]).filter((name) => name !== 'sign-off'),
  'sign-off' as const,
];

/** Anything that JSON can say: alone, or under the names of the members of the event's schema. */
function payloads(event: ClientRequestName): fc.Arbitrary<unknown> {
  const schema = CLIENT_REQUESTS[event].request;
  const members = 'shape' in schema ? Object.keys(schema.shape) : ['handle', 'userId'];
  const named = Object.fromEntries(members.map((member) => [member, fc.jsonValue()]));
  return fc.oneof(fc.jsonValue(), fc.record(named, { requiredKeys: [] }));
}

describe('requests that make no sense', () => {
  it('get a typed answer on every event before sign-in', async () => {
    for (const event of EVENTS) {
      const connection = await edge.connect();
      await fc.assert(
        fc.asyncProperty(payloads(event), async (payload) => {
          const reply = await connection.send(event, payload);
          const isOpenToAnyone = CLIENT_REQUESTS[event].audience === 'anyone';
          if (!isOpenToAnyone)
            expect(reply).toMatchObject({ ok: false, error: { code: 'NOT_AUTHENTICATED' } });
        }),
        { numRuns: 8 },
      );
      connection.close();
    }
  }, 30_000);

  it('get a typed answer on every event after sign-in, and are no fault of the supernode', async () => {
    const { connection } = await edge.registerAndSignIn('fuzz');

    for (const event of EVENTS) {
      await fc.assert(
        fc.asyncProperty(payloads(event), async (payload) => {
          const reply = await connection.send(event, payload);
          if (!reply.ok) expect(reply.error.code).not.toBe('INTERNAL');
        }),
        { numRuns: 3 },
      );
    }
  }, 30_000);

  it('are all of events that have a handler', async () => {
    const connection = await edge.connect();

    const codes = await Promise.all(EVENTS.map((event) => connection.refusal(event, undefined)));

    expect(codes.filter((code) => code === 'UNKNOWN_EVENT')).toEqual([]);
  });

  it('name the member of the schema that is wrong, and never what was sent', async () => {
    const connection = await edge.connect();

    const known = await connection.send('challenge', { versions: 'a secret' });
    const foreign = await connection.send('directory.lookup', { 'a secret': 1 });

    expect(known).toMatchObject({
      error: { code: 'BAD_REQUEST', message: 'The member "versions" does not fit the schema.' },
    });
    expect(JSON.stringify([known, foreign])).not.toContain('secret');
  });

  it.each(['no.such.event', '__proto__', 'constructor', 'toString'])(
    'are refused when the event is %s',
    async (event) => {
      const connection = await edge.connect();

      expect(await connection.refusal(event as ClientRequestName, {})).toBe('UNKNOWN_EVENT');
    },
  );

  it('are dropped and counted when nobody waits for the answer', async () => {
    const connection = await edge.connect();
    const before = await edge.drops('no-acknowledgement');

    connection.socket.emit('challenge', { versions: [1] });
    connection.socket.emit('challenge');
    await connection.challenge();

    expect(await edge.drops('no-acknowledgement')).toBe(before + 2);
  });

  it('are refused when they bring several payloads, or bytes', async () => {
    const connection = await edge.connect();
    const send = (...payload: unknown[]): Promise<unknown> =>
      connection.socket.timeout(5_000).emitWithAck('challenge', ...payload);

    const refusal = expect.objectContaining({ error: expect.objectContaining({ code: 'BAD_REQUEST' }) });
    expect(await send({ versions: [1] }, { versions: [1] })).toEqual(refusal);
    expect(await send()).toEqual(refusal);
    expect(await send(Buffer.from('bytes'))).toEqual(refusal);
  });

  it('end the connection, and nothing else, when they are too large', async () => {
    const connection = await edge.connect();
    const before = await edge.drops('too-large');

    connection.socket.emit('challenge', { versions: ['x'.repeat(LIMITS.maxMessageBytes)] });
    await connection.disconnected();

    expect(await edge.drops('too-large')).toBe(before + 1);
    expect((await (await edge.connect()).challenge()).version).toBe(1);
  });

  it('end the connection, and nothing else, when they are no socket.io packets', async () => {
    const connection = await edge.connect();
    const engine = connection.socket.io.engine as unknown as RawEngine;

    engine.write('{garbage');
    await connection.disconnected();

    expect((await (await edge.connect()).challenge()).version).toBe(1);
  });
});

describe('the request budget of a connection', () => {
  it('refuses what is over it and says when to come back; other connections are not touched', async () => {
    const connection = await edge.connect();
    const burst = LIMITS.requestsPerSecond * LIMITS.requestBurstFactor;

    const replies = await Promise.all(
      Array.from({ length: burst * 3 }, () => connection.send('challenge', { versions: [1] })),
    );

    const refusals = replies.flatMap((reply) => (reply.ok ? [] : [reply.error]));
    expect(replies.length - refusals.length).toBeGreaterThan(0);
    expect(refusals.length).toBeGreaterThan(burst);
    expect(refusals[0]).toMatchObject({
      code: 'RATE_LIMITED',
      retryable: true,
      retryAfterMs: expect.any(Number),
    });
    expect((await (await edge.connect()).challenge()).version).toBe(1);
  });

  it('ends the connection of who does not stop', async () => {
    const connection = await edge.connect();

    for (let sent = 0; sent < 2_000; sent++) connection.socket.emit('no.such.event', {});
    await connection.disconnected();

    expect(connection.socket.connected).toBe(false);
  });
});

describe('the WebSocket handshake', () => {
  it('is refused for pages of origins that are not listed', async () => {
    await expect(edge.connect({ extraHeaders: { origin: 'https://evil.example.org' } })).rejects.toThrow(
      'websocket error',
    );

    const allowed = await edge.connect({ extraHeaders: { origin: 'https://app.example.org' } });
    expect(allowed.socket.connected).toBe(true);
  });
});

describe('a transport', () => {
  it('carries one socket, however many it asks for at once', async () => {
    const manager = new Manager(edge.url, {
      transports: ['websocket'],
      reconnection: false,
      autoConnect: false,
    });
    await new Promise<void>((resolve) => manager.open(() => resolve()));
    const packets: string[] = [];
    const engine = manager.engine as unknown as RawEngine;
    const answered = new Promise<void>((resolve) => {
      engine.on('data', (packet) => packets.push(packet) === 2 && resolve());
    });

    engine.write('0');
    engine.write('0');
    await answered;

    expect(packets.map((packet) => packet.charAt(0)).sort()).toEqual(['0', '4']);
    engine.close();
  });

  it('ends when the client leaves the namespace, so that nobody stays signed in without a socket', async () => {
    const ada = await edge.registerAndSignIn('leaver');
    const engine = ada.connection.socket.io.engine as unknown as RawEngine;

    engine.write('1');
    await ada.connection.disconnected();

    await edge.settled(() => edge.observed.includes(`unreachable ${ada.device.deviceId}`));
  });
});

describe('the concerns behind the gateway', () => {
  it('show a contact come online', async () => {
    const ada = await edge.registerAndSignIn('watched');
    const bob = await edge.registerAndSignIn('watcher');
    await ada.connection.request('contacts.request', { userId: bob.account.userId });
    await bob.connection.request('contacts.accept', { userId: ada.account.userId });

    const { presence } = await bob.connection.request('presence.subscribe', {
      userIds: [ada.account.userId],
    });
    await ada.connection.request('presence.set', { state: 'away' });

    expect(presence).toMatchObject([{ userId: ada.account.userId, state: 'online' }]);
    await bob.connection.until(
      () =>
        bob.connection.events.some(
          ({ name, payload }) =>
            name === 'presence.changed' && 'state' in payload && payload.state === 'away',
        ),
      'presence away',
    );
  });
});
