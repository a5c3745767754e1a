import { describe, expect, it } from '@jest/globals';
import { DEFAULT_TENANT, userIdSchema } from '@parley/protocol';
import { ManualTime, settled } from '../clock/testing/manual-time.ts';
import { SigningDevice } from '../identity/testing/signing-device.ts';
import { Connection } from './connection.ts';
import { Departures } from './departures.ts';
import { MovableRoster } from './testing/movable-ownership.ts';
import { RecordingTransport } from './testing/recording-transport.ts';

function setUp(count: number, resumesPerSecond = 100) {
  const time = new ManualTime();
  const roster = new MovableRoster();
  const here = roster.join('here');
  const there = roster.join('there');
  const departures = new Departures(here.homes, time, { resumesPerSecond, drainSeconds: 10 });
  const clients = Array.from({ length: count }, (_, index) => {
    const transport = new RecordingTransport();
    const connection = new Connection('192.0.2.1', transport, time);
    const { deviceId } = new SigningDevice();
    const userId = userIdSchema.parse(`user-${index}`);
    connection.device = {
      caller: { tenant: DEFAULT_TENANT, userId, deviceId, linked: true },
      hasAccount: true,
    };
    return { connection, transport };
  });
  const told = () => clients.filter(({ transport }) => transport.sent.length > 0).length;
  const connections = clients.map(({ connection }) => connection);
  return { time, roster, here, there, departures, clients, connections, told };
}

describe('Departures', () => {
  it('name the home, say when to come, and close', async () => {
    const { roster, there, departures, clients, connections } = setUp(1);
    roster.moveAll(there);

    await departures.send(connections, 'redirect');

    expect(clients[0]?.transport.payloads).toEqual([
      { reason: 'redirect', alternates: ['http://there.example.net'], retryAfterMs: 0, windowMs: 500 },
    ]);
    expect(clients[0]?.transport.isClosed).toBe(true);
  });

  it('go in batches, no faster than others take them in', async () => {
    const { time, departures, connections, told } = setUp(70);
    const sent = departures.send(connections, 'redirect');
    await settled();
    expect(told()).toBe(7);

    // Seven for each tenth of a second, half as long or half as long again.
    await time.advance(400);
    expect(told()).toBeGreaterThanOrEqual(7 * 3);
    expect(told()).toBeLessThanOrEqual(7 * 9);
    await time.advance(1_500);
    await sent;
    expect(told()).toBe(70);
  });

  it('are done in the time that there is', async () => {
    const { time, departures, connections, told } = setUp(70);

    const sent = departures.send(connections, 'draining', 200);
    await settled();
    expect(told()).toBe(35);
    await time.advance(150);
    await sent;

    expect(told()).toBe(70);
  });

  it('name nothing to who did not say who it is, and leave alone who has gone', async () => {
    const { departures, clients, connections } = setUp(2);
    connections[0]!.device = undefined;
    connections[1]!.ended();

    await departures.send(connections, 'draining');

    expect(clients[0]?.transport.payloads).toEqual([expect.objectContaining({ alternates: [] })]);
    expect(clients[1]?.transport.sent).toEqual([]);
  });
});
