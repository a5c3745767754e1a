import { describe, expect, it } from '@jest/globals';
import type { EventOf } from '@parley/protocol';
import { ManualTime } from '../clock/testing/manual-time.ts';
import { Connection } from './connection.ts';
import { RecordingTransport } from './testing/recording-transport.ts';

const GO_AWAY: EventOf<'go-away'> = { reason: 'revoked', alternates: [], retryAfterMs: 0, windowMs: 0 };

function setUp() {
  const time = new ManualTime();
  const transport = new RecordingTransport();
  return { time, transport, connection: new Connection('192.0.2.1', transport, time) };
}

describe('Connection', () => {
  it('is closed when nobody signs in within the time', async () => {
    const { time, transport, connection } = setUp();
    connection.expectSignInWithin(1000);

    await time.advance(999);
    expect(transport.isClosed).toBe(false);
    await time.advance(1);

    expect(transport.isClosed).toBe(true);
    expect(connection.isOpen).toBe(false);
  });

  it('stays when somebody signed in, or the time was extended', async () => {
    const { time, transport, connection } = setUp();
    connection.expectSignInWithin(1000);
    connection.expectSignInWithin(5000);
    await time.advance(1000);
    expect(transport.isClosed).toBe(false);

    connection.device = { caller: {} as never, hasAccount: true };
    await time.advance(5000);

    expect(transport.isClosed).toBe(false);
  });

  it('is closed only after the requests under way were answered', () => {
    const { transport, connection } = setUp();
    connection.requestBegins();
    connection.requestBegins();

    connection.close();
    connection.send('go-away', GO_AWAY);
    connection.requestEnds();
    expect([connection.isOpen, transport.isClosed]).toEqual([false, false]);
    connection.requestEnds();

    expect(transport.isClosed).toBe(true);
    expect(transport.sent).toEqual(['go-away#0']);
  });

  it('does not wait for a request that never ends', async () => {
    const { time, transport, connection } = setUp();
    connection.requestBegins();

    connection.close();
    await time.advance(1000);

    expect(transport.isClosed).toBe(true);
  });

  it('sends nothing and leaves no timer when the transport is gone', () => {
    const { time, transport, connection } = setUp();
    connection.expectSignInWithin(1000);

    connection.ended();
    connection.send('go-away', GO_AWAY);

    expect(transport.sent).toEqual([]);
    expect(time.pendingTimers).toBe(0);
  });
});
