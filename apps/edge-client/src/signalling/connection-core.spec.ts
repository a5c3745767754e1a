import { describe, expect, it } from '@jest/globals';
import { instant } from '@parley/nat';
import { fullJitter } from './backoff.ts';
import { ConnectionCore, type ConnectionInput, type ConnectionOutput } from './connection-core.ts';
import { CONNECTION_TRANSITIONS, type ConnectionChange, type ConnectionState } from './connection-state.ts';

const URL_ONE = 'https://one.example';
const URL_TWO = 'https://two.example';

/** The core with a clock that only the test moves. */
class Bench {
  now = 0;
  readonly core: ConnectionCore;
  random = 0.5;

  constructor(alternates: readonly string[] = []) {
    this.core = new ConnectionCore({
      urls: [URL_ONE],
      alternates,
      hostTimeoutMs: 2000,
      backoff: { baseMs: 1000, capMs: 8000 },
      connectTimeoutMs: 20_000,
      random: () => this.random,
    });
  }

  give(input: ConnectionInput): readonly ConnectionOutput[] {
    return this.core.handle(input, instant(this.now));
  }

  /** Moves to the core's next deadline. */
  wait(): { readonly waited: number; readonly outputs: readonly ConnectionOutput[] } {
    const at = this.core.nextTimeoutAt() ?? Number.NaN;
    const waited = at - this.now;
    this.now = at;
    return { waited, outputs: this.core.handleTimeout(instant(at)) };
  }

  goOnline(): void {
    this.give({ kind: 'connect' });
    this.signIn();
    this.now += 60_000;
  }

  signIn(): void {
    this.give({ kind: 'transport-open' });
    this.give({ kind: 'signed-in', resumed: false, recovered: false });
  }
}

const changed = (from: ConnectionState, to: ConnectionState, cause: ConnectionChange['cause']) => ({
  kind: 'changed',
  change: { from, to, cause },
});

describe('the table of connection states', () => {
  it('reaches every state from the start, and leaves none but closed without an exit', () => {
    const reached = new Set<ConnectionState>(['disconnected']);
    for (const state of reached) for (const next of CONNECTION_TRANSITIONS[state]) reached.add(next);

    expect([...reached].sort()).toEqual(Object.keys(CONNECTION_TRANSITIONS).sort());
    const ends = Object.entries(CONNECTION_TRANSITIONS).filter(([, next]) => next.length === 0);
    expect(ends.map(([state]) => state)).toEqual(['closed']);
  });
});

describe('ConnectionCore', () => {
  it('connects, signs in and is online', () => {
    const bench = new Bench();

    expect(bench.give({ kind: 'connect' })).toEqual([
      changed('disconnected', 'connecting', 'connect-called'),
      { kind: 'open-transport', url: URL_ONE },
    ]);
    expect(bench.give({ kind: 'transport-open' })).toEqual([
      changed('connecting', 'authenticating', 'transport-open'),
      { kind: 'sign-in' },
    ]);
    expect(bench.give({ kind: 'signed-in', resumed: false, recovered: false })).toEqual([
      changed('authenticating', 'online', 'signed-in'),
    ]);
    expect(bench.core.nextTimeoutAt()).toBeUndefined();
  });

  it('comes back quickly, then within a window that doubles up to its cap, and starts anew after it was online', () => {
    const bench = new Bench();
    bench.goOnline();
    bench.give({ kind: 'transport-lost' });

    const waits: number[] = [];
    for (let attempt = 0; attempt < 7; attempt += 1) {
      waits.push(bench.wait().waited);
      bench.give({ kind: 'transport-failed' });
    }
    expect(waits).toEqual([150, 500, 1000, 2000, 4000, 4000, 4000]);
    bench.wait();
    bench.signIn();
    bench.now += 60_000;
    bench.give({ kind: 'transport-lost' });
    expect(bench.wait().waited).toBe(150);
  });

  it('spreads over the whole window', () => {
    const options = { baseMs: 1000, capMs: 30_000 };

    expect(fullJitter(3, () => 0, options)).toBe(0);
    expect(fullJitter(3, () => 0.999, options)).toBeCloseTo(7992);
    expect(fullJitter(1000, () => 0.5, options)).toBe(15_000);
  });

  it('gives up a first connect in time, but never a connection that was online', () => {
    const bench = new Bench();
    bench.give({ kind: 'connect' });
    bench.give({ kind: 'transport-failed' });
    bench.now = 20_000;
    expect(bench.core.handleTimeout(instant(20_000))).toEqual([
      changed('reconnecting', 'disconnected', 'gave-up'),
      { kind: 'close-transport' },
    ]);

    const online = new Bench();
    online.goOnline();
    online.give({ kind: 'transport-lost' });
    for (let attempt = 0; attempt < 50; attempt += 1) {
      online.wait();
      online.give({ kind: 'transport-failed' });
    }
    expect(online.core.state).toBe('reconnecting');
  });

  it('waits at least as long as the supernode asks', () => {
    const bench = new Bench();
    bench.give({ kind: 'connect' });
    bench.give({ kind: 'transport-open' });

    bench.give({ kind: 'sign-in-failed', retryable: true, retryAfterMs: 5000 });

    expect(bench.wait().waited).toBe(5500);
  });

  it('waits by its own measure where the supernode names no time at all', () => {
    const bench = new Bench();
    bench.give({ kind: 'connect' });
    bench.give({ kind: 'transport-open' });

    bench.give({ kind: 'sign-in-failed', retryable: true, retryAfterMs: 0, windowMs: 0 });

    expect(bench.wait().waited).toBe(500);
  });

  it('stops where a retry would not help', () => {
    const bench = new Bench();
    bench.give({ kind: 'connect' });
    bench.give({ kind: 'transport-open' });

    expect(bench.give({ kind: 'sign-in-failed', retryable: false })).toEqual([
      changed('authenticating', 'disconnected', 'sign-in-refused'),
      { kind: 'close-transport' },
    ]);
    expect(bench.give({ kind: 'connect' })[0]).toEqual(
      changed('disconnected', 'connecting', 'connect-called'),
    );
  });

  it('moves to an alternate within the window of a go-away, staying online until then', () => {
    const bench = new Bench();
    bench.goOnline();
    const notice = { reason: 'draining', alternates: [URL_TWO], retryAfterMs: 1000, windowMs: 4000 } as const;

    expect(bench.give({ kind: 'go-away', notice: { ...notice, alternates: [URL_TWO] } })).toEqual([]);
    expect(bench.core.state).toBe('online');
    const { waited, outputs } = bench.wait();

    expect(waited).toBe(3000);
    expect(outputs).toEqual([
      changed('online', 'reconnecting', 'go-away'),
      { kind: 'close-transport' },
      changed('reconnecting', 'connecting', 'backoff-elapsed'),
      { kind: 'open-transport', url: URL_TWO },
    ]);
  });

  it.each(['revoked', 'replaced'] as const)('stays away when its device was %s', (reason) => {
    const bench = new Bench();
    bench.goOnline();

    bench.give({
      kind: 'go-away',
      notice: { reason, alternates: [], retryAfterMs: 0, windowMs: 0 },
    });

    expect(bench.core.state).toBe('disconnected');
    expect(bench.core.nextTimeoutAt()).toBeUndefined();
  });

  it('stays closed', () => {
    const bench = new Bench();
    bench.goOnline();
    bench.give({ kind: 'close' });

    const inputs: ConnectionInput[] = [
      { kind: 'connect' },
      { kind: 'transport-open' },
      { kind: 'transport-failed' },
      { kind: 'transport-lost' },
      { kind: 'signed-in', resumed: false, recovered: false },
      { kind: 'not-home', alternates: [URL_TWO] },
      { kind: 'disconnect' },
      { kind: 'close' },
    ];
    expect(inputs.flatMap((input) => bench.give(input))).toEqual([]);
    expect(bench.core.state).toBe('closed');
  });
});
