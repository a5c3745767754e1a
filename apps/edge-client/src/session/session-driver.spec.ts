import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { connectionIdKey } from './connection-id.ts';
import type { DatagramPath, SessionPath } from './datagram-path.ts';
import type { QuicClosure, QuicEngine } from './quic-engine.ts';
import { SessionDriver, type DriverOptions } from './session-driver.ts';

const ID = new Uint8Array(16).fill(7);
const PACKET_FOR_US = Uint8Array.of(0x41, ...ID, 1, 2, 3);

/** An engine that sends what the test puts into it. */
class ScriptedEngine {
  toSend: Uint8Array[] = [];
  pings = 0;
  timeouts = 0;
  timeout: number | undefined;
  ended: QuicClosure | undefined;
  received: Uint8Array[] = [];

  recv(payload: Uint8Array): void {
    this.received.push(payload);
  }
  send(into: Uint8Array): number {
    const next = this.toSend.shift();
    if (next === undefined) return 0;
    into.set(next);
    return next.length;
  }
  timeoutMs = () => this.timeout;
  handleTimeout = () => (this.timeouts += 1);
  isEstablished = () => true;
  isDraining = () => false;
  isClosed = () => false;
  closure = () => this.ended;
  close(isApplication: boolean, code: number, reason: string): void {
    this.ended = { by: 'local', isApplication, code, reason };
    this.toSend = [Uint8Array.of(99)];
  }
  ping(): void {
    this.pings += 1;
    this.toSend.push(Uint8Array.of(50));
  }
}

class RecordingPath implements DatagramPath {
  readonly state: SessionPath = 'direct';
  takes = true;
  isClosed = false;
  readonly sent: { byte: number; expectsAnswer: boolean }[] = [];
  data: (packet: Uint8Array) => void = () => undefined;

  send(packet: Uint8Array, expectsAnswer: boolean): boolean {
    if (this.takes) this.sent.push({ byte: packet[0] ?? -1, expectsAnswer });
    return this.takes;
  }
  onData(listener: (packet: Uint8Array) => void): void {
    this.data = listener;
  }
  onPath(): void {
    this.takes = true;
  }
  close(): void {
    this.isClosed = true;
  }
}

function driverOf(options: Partial<DriverOptions> = {}) {
  const engine = new ScriptedEngine();
  const path = new RecordingPath();
  const events = { exchange: jest.fn(() => false), established: jest.fn(), ended: jest.fn() };
  const driver = new SessionDriver({
    engine: engine as unknown as QuicEngine,
    path,
    events,
    connectionIds: [connectionIdKey(ID)],
    keepAliveMs: 10_000,
    signallingMs: 0,
    ...options,
  });
  return { driver, engine, path, events, bytes: () => path.sent.map(({ byte }) => byte) };
}

beforeEach(() => {
  jest.useFakeTimers();
});

afterEach(() => {
  jest.useRealTimers();
});

const turn = () => jest.advanceTimersByTime(0);

describe('SessionDriver', () => {
  it('sends a bounded number of packets in one turn and the rest in the next', () => {
    const { engine, path } = driverOf();
    engine.toSend = Array.from({ length: 100 }, () => Uint8Array.of(1));

    jest.advanceTimersToNextTimer();
    const first = path.sent.length;
    jest.advanceTimersToNextTimer();

    expect([first, path.sent.length]).toEqual([64, 100]);
  });

  it('keeps a packet that the path did not take, and sends it before any other', () => {
    const { driver, engine, path, bytes } = driverOf();
    path.takes = false;
    engine.toSend = [Uint8Array.of(1), Uint8Array.of(2)];
    turn();
    expect([driver.counters.blocked, engine.toSend.length]).toEqual([1, 1]);

    path.takes = true;
    driver.wake(false);
    turn();

    expect(bytes()).toEqual([1, 2]);
  });

  it('says which packets ask for an answer', () => {
    const { driver, engine, path } = driverOf();
    turn();
    engine.toSend = [Uint8Array.of(1)];
    path.data(Uint8Array.from(PACKET_FOR_US));
    turn();
    engine.toSend = [Uint8Array.of(2)];
    driver.wake(true);
    turn();

    expect(path.sent).toEqual([
      { byte: 1, expectsAnswer: false },
      { byte: 2, expectsAnswer: true },
    ]);
  });

  it('repeats its first packets until the path answers, and a bounded number of times', () => {
    const silent = driverOf();
    silent.engine.toSend = [Uint8Array.of(1)];
    jest.advanceTimersByTime(60_000);
    const answered = driverOf();
    answered.engine.toSend = [Uint8Array.of(1)];
    jest.advanceTimersByTime(300);
    answered.path.data(Uint8Array.from(PACKET_FOR_US));
    jest.advanceTimersByTime(5_000);

    expect(silent.bytes().filter((byte) => byte === 1)).toHaveLength(7);
    expect(answered.bytes()).toEqual([1, 1]);
  });

  it('brings the measure of the round trip down after a slow answer, only then', () => {
    const [fast, slow] = [driverOf({ signallingMs: 200 }), driverOf({ signallingMs: 1_000 })];
    for (const { path } of [fast, slow]) path.data(Uint8Array.from(PACKET_FOR_US));
    jest.advanceTimersByTime(2_000);

    expect([fast.engine.pings, slow.engine.pings]).toEqual([0, 23]);
  });

  it('pings after silence, and not while packets arrive', () => {
    const { engine, path } = driverOf({ keepAliveMs: 1_000 });
    for (let step = 0; step < 4; step += 1) {
      jest.advanceTimersByTime(500);
      path.data(Uint8Array.from(PACKET_FOR_US));
    }
    expect(engine.pings).toBe(0);
    jest.advanceTimersByTime(2_500);
    expect(engine.pings).toBeGreaterThanOrEqual(1);
  });

  it('runs the timer of the engine when it is due', () => {
    const { driver, engine } = driverOf();
    engine.timeout = 100;
    driver.wake(false);
    turn();
    jest.advanceTimersByTime(99);
    expect(engine.timeouts).toBe(0);
    engine.timeout = undefined;
    jest.advanceTimersByTime(1);
    expect(engine.timeouts).toBe(1);
  });

  it('takes arrived bytes out of the engine after a bounded number of packets, even without a turn', () => {
    const { path, events } = driverOf();
    for (let count = 0; count < 70; count += 1) path.data(Uint8Array.from(PACKET_FOR_US));

    expect(events.exchange).toHaveBeenCalledTimes(2);
  });

  it('counts packets for others and gives them to nobody', () => {
    const { driver, engine, path } = driverOf();
    const other = Uint8Array.from(PACKET_FOR_US);
    other[5] = 0;
    for (const packet of [other, new Uint8Array(0), PACKET_FOR_US.subarray(0, 16)]) path.data(packet);

    expect(driver.counters.foreign).toBe(3);
    expect(engine.received).toEqual([]);
  });

  it('says good-bye at once, answers late packets with it a few times, then lets the path go', () => {
    const { driver, path, events, bytes } = driverOf();
    turn();
    driver.close(256, 'bye');
    expect(bytes()).toEqual([99]);
    turn();
    expect(events.ended).toHaveBeenCalledTimes(1);

    for (let count = 0; count < 10; count += 1) path.data(Uint8Array.from(PACKET_FOR_US));
    expect(bytes()).toEqual([99, 99, 99, 99, 99]);
    expect(path.isClosed).toBe(false);
    jest.advanceTimersByTime(1_000);

    expect([path.isClosed, jest.getTimerCount()]).toEqual([true, 0]);
  });
});
