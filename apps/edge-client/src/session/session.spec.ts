import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, describe, expect, it } from '@jest/globals';
import { edgeError } from '../errors.ts';
import { firstOf, sessionPair, type SessionPair } from './testing/session-pair.ts';

const open: SessionPair[] = [];

function pairOf(...options: Parameters<typeof sessionPair>): SessionPair {
  const pair = sessionPair(...options);
  open.push(pair);
  return pair;
}

afterEach(async () => {
  for (const { caller, callee } of open.splice(0)) {
    await Promise.all([caller.close(), callee.close()]);
  }
});

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

async function readAll(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of source) parts.push(part);
  return Buffer.concat(parts);
}

describe('Session › streams', () => {
  it('carries 5 MB in both directions at the same time and ends both', async () => {
    const { caller, callee } = pairOf();
    await Promise.all([caller.ready, callee.ready]);
    const [up, down] = [randomBytes(5_000_000), randomBytes(5_000_000)];
    const mine = caller.openStream();

    const sent = mine.write(up).then(() => mine.end());
    const theirs = await firstOf(callee.incomingStreams);
    const answered = theirs.write(down).then(() => theirs.end());
    const [atCallee, atCaller] = await Promise.all([readAll(theirs), readAll(mine), sent, answered]);
    await Promise.all([mine.finished, theirs.finished]);

    expect([sha256(atCallee), sha256(atCaller)]).toEqual([sha256(up), sha256(down)]);
    expect([caller.stats().openStreams, callee.stats().openStreams]).toEqual([0, 0]);
  });

  it('carries a stream over a path that loses, delays, reorders and duplicates', async () => {
    const { caller, callee } = pairOf({ delayMs: 5, jitterMs: 10, loss: 0.02, duplicates: 0.02, seed: 7 });
    await Promise.all([caller.ready, callee.ready]);
    const bytes = randomBytes(300_000);
    const stream = caller.openStream({ direction: 'unidirectional' });

    const sent = stream.write(bytes).then(() => stream.end());
    const got = await readAll(await firstOf(callee.incomingStreams));
    await sent;
    await stream.finished;

    expect(sha256(got)).toBe(sha256(bytes));
    expect(caller.stats().packetsLost).toBeGreaterThan(0);
  }, 60_000);

  it('ends also when what came before is acknowledged just after the end was written', async () => {
    const { caller, callee, callerPath, calleePath } = pairOf();
    await Promise.all([caller.ready, callee.ready]);
    const stream = caller.openStream({ direction: 'unidirectional' });
    const acknowledgements: Uint8Array[] = [];
    await stream.write(Buffer.from('all that there is'));
    calleePath.filter = (packet) => {
      acknowledgements.push(Uint8Array.from(packet));
      return false;
    };
    const theirs = await firstOf(callee.incomingStreams);
    expect(Buffer.from((await theirs.read())!).toString()).toBe('all that there is');
    while (acknowledgements.length === 0) await new Promise((resolve) => setImmediate(resolve));

    const ended = stream.end();
    for (const packet of acknowledgements) callerPath.inject(packet);
    calleePath.filter = () => true;

    expect(await theirs.read()).toBeUndefined();
    await Promise.all([ended, stream.finished]);
  });

  it('ends also when the packet with the end is lost and what came before is acknowledged', async () => {
    const { caller, callee, callerPath, calleePath } = pairOf();
    await Promise.all([caller.ready, callee.ready]);
    const stream = caller.openStream({ direction: 'unidirectional' });
    const acknowledgements: Uint8Array[] = [];
    await stream.write(Buffer.from('all that there is'));
    calleePath.filter = (packet) => {
      acknowledgements.push(Uint8Array.from(packet));
      return false;
    };
    const theirs = await firstOf(callee.incomingStreams);
    expect(Buffer.from((await theirs.read())!).toString()).toBe('all that there is');
    while (acknowledgements.length === 0) await new Promise((resolve) => setImmediate(resolve));

    let lost = 0;
    callerPath.filter = () => {
      lost += 1;
      return false;
    };
    const ended = stream.end();
    while (lost === 0) await new Promise((resolve) => setImmediate(resolve));
    callerPath.filter = () => true;
    for (const packet of acknowledgements) callerPath.inject(packet);
    calleePath.filter = () => true;

    expect(await theirs.read()).toBeUndefined();
    await Promise.all([ended, stream.finished]);
  });

  it('holds the writer back while the reader does not read', async () => {
    const { caller, callee } = pairOf();
    await Promise.all([caller.ready, callee.ready]);
    const stream = caller.openStream();
    const bytes = randomBytes(30_000_000);
    let isTaken = false;

    const writing = stream.write(bytes).then(() => (isTaken = true));
    const theirs = await firstOf(callee.incomingStreams);
    caller.sendDatagram(Buffer.from('after'));
    await firstOf(callee.datagrams);

    expect(isTaken).toBe(false);
    let length = 0;
    while (length < bytes.length) length += (await theirs.read())?.length ?? Infinity;
    await writing;
    expect(length).toBe(bytes.length);
  }, 60_000);

  it('works in a pipeline of node:stream', async () => {
    const { caller, callee } = pairOf();
    await Promise.all([caller.ready, callee.ready]);
    const bytes = randomBytes(300_000);
    const stream = caller.openStream();

    const sending = pipeline(
      Readable.from([bytes.subarray(0, 100_000), bytes.subarray(100_000)]),
      stream.toDuplex(),
    );
    const got = await readAll(
      (await firstOf(callee.incomingStreams)).toDuplex() as AsyncIterable<Uint8Array>,
    );
    await sending;

    expect(sha256(got)).toBe(sha256(bytes));
  });

  it('resets the stream when a pipeline breaks', async () => {
    const { caller, callee } = pairOf();
    await Promise.all([caller.ready, callee.ready]);
    const source = new Readable({ read: () => undefined });
    source.push(randomBytes(1_000));
    const sending = pipeline(source, caller.openStream().toDuplex());
    const theirs = await firstOf(callee.incomingStreams);
    await theirs.read();

    source.destroy(new RangeError('disk gone'));

    await expect(sending).rejects.toThrow('disk gone');
    await expect(theirs.read()).rejects.toMatchObject({ code: 'EDGE_STREAM_RESET' });
  });

  it('tells both ends of a reset', async () => {
    const { caller, callee } = pairOf();
    await Promise.all([caller.ready, callee.ready]);
    const stream = caller.openStream();
    await stream.write(Buffer.from('begin'));
    const theirs = await firstOf(callee.incomingStreams);
    await theirs.read();

    stream.reset(300);

    await expect(theirs.read()).rejects.toMatchObject({ code: 'EDGE_STREAM_RESET', cause: { code: 300 } });
    await expect(stream.read()).rejects.toMatchObject({ code: 'EDGE_STREAM_RESET' });
    await expect(theirs.write(Buffer.from('late'))).rejects.toMatchObject({ code: 'EDGE_STREAM_STOPPED' });
    await expect(stream.finished).rejects.toMatchObject({ code: 'EDGE_STREAM_RESET' });
    await expect(theirs.finished).rejects.toMatchObject({ code: 'EDGE_STREAM_RESET' });
    await expect(theirs.end()).rejects.toMatchObject({ code: 'EDGE_STREAM_STOPPED' });
  });

  it('refuses a write after the end', async () => {
    const { caller, callee } = pairOf();
    await Promise.all([caller.ready, callee.ready]);
    const stream = caller.openStream();
    await stream.end();

    await expect(stream.write(Buffer.from('x'))).rejects.toMatchObject({ code: 'EDGE_STREAM_ENDED' });
    await expect(stream.end()).rejects.toMatchObject({ code: 'EDGE_STREAM_ENDED' });
  });

  it('bounds the streams that are open at the same time, and gives credit back for finished ones', async () => {
    const { caller, callee } = pairOf();
    await Promise.all([caller.ready, callee.ready]);
    const streams = Array.from({ length: 100 }, () => caller.openStream({ direction: 'unidirectional' }));

    expect(() => caller.openStream({ direction: 'unidirectional' })).toThrow(
      expect.objectContaining({ code: 'EDGE_STREAM_LIMIT' }),
    );

    for (const stream of streams) {
      await stream.end();
      await (await firstOf(callee.incomingStreams)).read();
    }
    await Promise.all(streams.map((stream) => stream.finished));
    caller.sendDatagram(Buffer.from('ping'));
    await firstOf(callee.datagrams);
    const next = caller.openStream({ direction: 'unidirectional' });
    await next.end();
    expect(await (await firstOf(callee.incomingStreams)).read()).toBeUndefined();
  });
});

describe('Session › datagrams', () => {
  it('carries datagrams both ways up to the stated size, and refuses larger ones', async () => {
    const { caller, callee } = pairOf();
    expect(caller.maxDatagramSize).toBe(0);
    expect(caller.sendDatagram(Buffer.from('too early'))).toBe(false);
    await Promise.all([caller.ready, callee.ready]);
    const largest = randomBytes(caller.maxDatagramSize);

    const results = [
      caller.sendDatagram(largest),
      callee.sendDatagram(largest),
      caller.sendDatagram(randomBytes(1_200)),
    ];
    const got = await Promise.all([firstOf(callee.datagrams), firstOf(caller.datagrams)]);

    expect(results).toEqual([true, true, false]);
    expect(got.map((bytes) => Buffer.compare(bytes, largest))).toEqual([0, 0]);
    expect(caller.maxDatagramSize).toBeGreaterThanOrEqual(1_100);
    expect(caller.stats()).toMatchObject({ datagramsSent: 1, datagramsReceived: 1, datagramsRefused: 2 });
  });

  it('drops the oldest when the app does not take them, and counts', async () => {
    const { caller, callee } = pairOf();
    await Promise.all([caller.ready, callee.ready]);
    const total = 1_500;
    let sent = 0;
    while (callee.stats().datagramsReceived < total) {
      if (sent < total && caller.sendDatagram(Buffer.from(String(sent)))) sent += 1;
      else await new Promise((resolve) => setImmediate(resolve));
    }

    expect(callee.stats().datagramsDropped).toBe(total - 1_024);
    expect(Buffer.from(await firstOf(callee.datagrams)).toString()).toBe(String(total - 1_024));
  });

  it('keeps voice flowing beside a stream at full speed', async () => {
    const { caller, callee } = pairOf({ delayMs: 5 });
    await Promise.all([caller.ready, callee.ready]);
    const frames = 100;
    const delays: number[] = [];
    let isTaken = false;
    const stream = caller.openStream();
    const writing = stream.write(randomBytes(20_000_000)).then(
      () => (isTaken = true),
      () => undefined, // on a slow machine all frames are there first, and the reset ends it
    );
    const theirs = await firstOf(callee.incomingStreams);
    const draining = readAll(theirs).catch(() => undefined);

    await new Promise<void>((resolve) => {
      callee.onDatagram((bytes) => {
        delays.push(performance.now() - Buffer.from(bytes).readDoubleBE());
        if (delays.length === frames) resolve();
      });
      const timer = setInterval(() => {
        const frame = Buffer.alloc(160);
        frame.writeDoubleBE(performance.now());
        caller.sendDatagram(frame);
        if (isTaken || delays.length >= frames) clearInterval(timer);
        if (isTaken) resolve();
      }, 4);
    });

    expect(delays.length).toBeGreaterThan(20);
    expect(delays.sort((a, b) => a - b)[Math.floor(delays.length / 2)]).toBeLessThan(100);
    stream.reset();
    theirs.reset();
    await Promise.all([writing, draining]);
  }, 60_000);
});

describe('Session › path', () => {
  it('tells through which relays it goes, and each change of them', async () => {
    const { caller, callee, callerPath } = pairOf();
    await Promise.all([caller.ready, callee.ready]);
    const told: unknown[] = [];
    caller.onPath((path, relays) => told.push([path, relays]));
    const first = { own: '192.0.2.1:3478', peer: '198.51.100.1:50000' };
    const second = { own: '192.0.2.9:3478' };

    callerPath.setState('relayed', first);
    expect(caller.relays).toEqual(first);
    callerPath.setState('relayed', second);
    expect(caller.relays).toEqual(second);
    callerPath.tellLate('none');
    callerPath.setState('direct');
    expect(caller.relays).toBeUndefined();

    expect(told).toEqual([
      ['relayed', first],
      ['relayed', second],
      ['none', undefined],
      ['direct', undefined],
    ]);
    expect(caller.pathHistory.slice(-4).map(({ relays }) => relays)).toEqual([
      first,
      second,
      undefined,
      undefined,
    ]);
    callerPath.setState('relayed', first);
  });

  it('moves from relayed to direct without losing a datagram or a byte', async () => {
    const { caller, callee, callerPath, calleePath } = pairOf({ delayMs: 2 });
    await Promise.all([caller.ready, callee.ready]);
    const seen: string[] = [caller.path];
    caller.onPath((state) => seen.push(state));
    const numbers: number[] = [];
    const all = new Promise<void>((resolve) => {
      callee.onDatagram((bytes) => {
        numbers.push(Buffer.from(bytes).readUInt32BE());
        if (numbers.length === 50) resolve();
      });
    });
    const bytes = randomBytes(500_000);
    const stream = caller.openStream();
    const sent = stream.write(bytes).then(() => stream.end());

    for (let number = 0; number < 50; number += 1) {
      const frame = Buffer.alloc(160);
      frame.writeUInt32BE(number);
      caller.sendDatagram(frame);
      if (number === 20) callerPath.setState('direct');
      if (number === 30) calleePath.setState('direct');
      await new Promise((resolve) => setImmediate(resolve));
    }
    const got = await readAll(await firstOf(callee.incomingStreams));
    await Promise.all([sent, all]);

    expect(seen).toEqual(['relayed', 'direct']);
    expect(numbers.sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, index) => index));
    expect(sha256(got)).toBe(sha256(bytes));
    expect(caller.stats().packetsLost).toBe(0);
  });

  it('begins when the path comes after the answer', async () => {
    const { caller, callee, callerPath, calleePath } = pairOf();
    callerPath.setState('none');
    calleePath.setState('none');
    await caller.ready;
    const writing = caller.openStream().write(Buffer.from('patience'));

    calleePath.setState('relayed');
    callerPath.setState('relayed');

    await writing;
    expect(Buffer.from((await (await firstOf(callee.incomingStreams)).read()) ?? []).toString()).toBe(
      'patience',
    );
  });

  it('waits while there is no path and goes on when there is one again', async () => {
    const { caller, callee, callerPath } = pairOf();
    await Promise.all([caller.ready, callee.ready]);
    caller.sendDatagram(Buffer.from('one'));
    await firstOf(callee.datagrams);

    callerPath.setState('none');
    caller.sendDatagram(Buffer.from('two'));
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    expect(caller.stats().pathBlocked).toBe(1);
    callerPath.setState('direct');

    expect(Buffer.from(await firstOf(callee.datagrams)).toString()).toBe('two');
  });
});

describe('Session › end', () => {
  it('tells the other end the code and the reason, and ends what waits', async () => {
    const { caller, callee } = pairOf();
    await Promise.all([caller.ready, callee.ready]);
    const stream = caller.openStream();
    await stream.write(Buffer.from('x'));
    const theirs = await firstOf(callee.incomingStreams);
    await theirs.read();
    const waiting = theirs.read();

    const mine = await caller.close({ code: 256, reason: 'hung up' });

    expect(mine).toEqual({ by: 'local', code: 256, reason: 'hung up' });
    expect(await callee.closed).toEqual({ by: 'peer', code: 256, reason: 'hung up' });
    await expect(waiting).rejects.toMatchObject({ code: 'EDGE_SESSION_CLOSED' });
    expect(() => caller.openStream()).toThrow(expect.objectContaining({ code: 'EDGE_SESSION_CLOSED' }));
    expect(callee.sendDatagram(Buffer.from('x'))).toBe(false);
    expect(await firstOf(callee.incomingStreams).catch(() => 'none')).toBe('none');
  });

  it('fails what waits with the cause of an abort', async () => {
    const { caller, callee } = pairOf();
    await Promise.all([caller.ready, callee.ready]);
    const stream = caller.openStream();
    const reading = stream.read();

    caller.abort(edgeError('EDGE_SESSION_TIMEOUT'));

    await expect(reading).rejects.toMatchObject({ code: 'EDGE_SESSION_TIMEOUT' });
    expect(await caller.closed).toMatchObject({ by: 'error', error: { code: 'EDGE_SESSION_TIMEOUT' } });
    expect(await callee.closed).toMatchObject({ by: 'peer', code: 2 });
  });

  it('says good-bye again to one who missed it', async () => {
    const { caller, callee, callerPath } = pairOf();
    await Promise.all([caller.ready, callee.ready]);
    callerPath.filter = () => false;
    await caller.close();
    callerPath.filter = () => true;

    callee.sendDatagram(Buffer.from('still there?'));

    expect(await callee.closed).toMatchObject({ by: 'peer', code: 0 });
  });

  it('ends after silence', async () => {
    const { caller, callee, callerPath, calleePath } = pairOf({}, { idleTimeoutMs: 1_500 });
    await Promise.all([caller.ready, callee.ready]);
    callerPath.filter = calleePath.filter = () => false;

    const ends = await Promise.all([caller.closed, callee.closed]);

    expect(ends).toEqual([
      expect.objectContaining({
        by: 'idle-timeout',
        error: expect.objectContaining({ code: 'EDGE_SESSION_TIMEOUT' }),
      }),
      expect.objectContaining({ by: 'idle-timeout' }),
    ]);
  });

  it('does not end while both are there and silent', async () => {
    const { caller, callee } = pairOf({}, { idleTimeoutMs: 1_500, keepAliveMs: 200 });
    await Promise.all([caller.ready, callee.ready]);
    const before = callee.stats().packetsReceived;

    while (callee.stats().packetsReceived < before + 12)
      await new Promise((resolve) => setTimeout(resolve, 5));

    caller.sendDatagram(Buffer.from('alive'));
    expect(Buffer.from(await firstOf(callee.datagrams)).toString()).toBe('alive');
  });

  it('leaves no timer and no path behind in 200 sessions', async () => {
    const timers = () =>
      process.getActiveResourcesInfo().filter((name) => /Timeout|Immediate/.test(name)).length;
    const before = timers();

    for (let round = 0; round < 200; round += 1) {
      const { caller, callee, callerPath, calleePath } = sessionPair();
      await Promise.all([caller.ready, callee.ready]);
      await Promise.all([caller.close(), callee.closed]);
      expect(calleePath.isClosed).toBe(true);
      callerPath.close();
    }

    expect(timers()).toBeLessThanOrEqual(before);
  }, 60_000);

  it('can be collected when it is over, with the memory of its engine', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const openAndClose = async (): Promise<WeakRef<object>> => {
      const { caller, callee } = sessionPair();
      await Promise.all([caller.ready, callee.ready]);
      await Promise.all([caller.close(), callee.closed]);
      return new WeakRef(callee);
    };

    const closed = await Promise.all(Array.from({ length: 20 }, openAndClose));
    await new Promise((resolve) => setImmediate(resolve));
    collect();

    expect(closed.filter((session) => session.deref() !== undefined)).toHaveLength(0);
  });
});

describe('Session › restarting its path', () => {
  it('asks the path, once there is a session to find one for', async () => {
    const { caller, callee, callerPath } = pairOf();
    const asked: string[] = [];
    callerPath.restart = () => {
      asked.push('restart');
      return true;
    };
    expect(() => caller.restartPath()).toThrow(expect.objectContaining({ code: 'EDGE_SESSION_NOT_READY' }));
    await Promise.all([caller.ready, callee.ready]);

    caller.restartPath();
    // A path that knows of no other one is left as it is.
    callee.restartPath();
    expect(asked).toEqual(['restart']);

    await caller.close();
    expect(() => caller.restartPath()).toThrow(expect.objectContaining({ code: 'EDGE_SESSION_CLOSED' }));
    expect(asked).toEqual(['restart']);
  });

  it('says when the other end cannot be told', async () => {
    const { caller, callerPath } = pairOf();
    callerPath.restart = () => false;
    await caller.ready;
    expect(() => caller.restartPath()).toThrow(expect.objectContaining({ code: 'EDGE_NOT_CONNECTED' }));
  });
});
