import { describe, expect, it } from '@jest/globals';
import { instant } from '@parley/nat';
import { LIMITS } from '@parley/protocol';
import fc from 'fast-check';
import {
  ConnectionCore,
  LONGEST_ATTEMPT_MS,
  type ConnectionInput,
  type ConnectionOutput,
} from './connection-core.ts';
import { FOUND_DEAD_MS } from './host-list.ts';

const BASE_MS = 500;
const CAP_MS = 8000;

/** What a host does with a client that comes. */
type Behaviour =
  | { readonly kind: 'dead'; readonly afterMs: number }
  | { readonly kind: 'silent' }
  | { readonly kind: 'elsewhere'; readonly alternates: readonly string[] }
  | { readonly kind: 'busy'; readonly retryAfterMs: number; readonly windowMs: number }
  | { readonly kind: 'broken' }
  | { readonly kind: 'stranger' }
  | { readonly kind: 'home'; readonly stays?: number; readonly sendsTo?: readonly string[] };

interface Attempt {
  readonly url: string;
  readonly at: number;
}

/** The core among hosts, on a clock of its own. */
class World {
  readonly attempts: Attempt[] = [];
  readonly onlineAt: string[] = [];
  readonly core: ConnectionCore;
  /** Attempts that were made while another one was under way. */
  overlaps = 0;
  now = 0;
  #inFlight: string | undefined;
  #next: { at: number; inputs: ConnectionInput[] } | undefined;
  #seed = 314_159;

  constructor(
    readonly hosts: ReadonlyMap<string, Behaviour | ((now: number) => Behaviour)>,
    urls: readonly [string, ...string[]],
    homes: readonly string[] = [],
    seed = 0,
  ) {
    this.#seed += seed;
    this.core = new ConnectionCore({
      urls,
      alternates: [],
      backoff: { baseMs: BASE_MS, capMs: CAP_MS },
      connectTimeoutMs: 1e9,
      hostTimeoutMs: 2000,
      random: () => this.#random(),
    });
    if (homes.length > 0) this.give({ kind: 'homes', urls: homes, validForMs: 1e9 });
    this.give({ kind: 'connect' });
  }

  give(input: ConnectionInput): void {
    if (input.kind === 'transport-failed' || input.kind === 'transport-lost') this.#inFlight = undefined;
    this.#perform(this.core.handle(input, instant(this.now)));
  }

  /** Until so many attempts were made, or nothing is left to happen. */
  run(attempts: number): void {
    while (this.attempts.length < attempts) {
      const timeout = this.core.nextTimeoutAt() ?? Infinity;
      const next = this.#next;
      if (next && next.at <= timeout) {
        this.now = next.at;
        const input = next.inputs.shift();
        if (next.inputs.length === 0) this.#next = undefined;
        if (input?.kind === 'transport-failed' || input?.kind === 'transport-lost')
          this.#inFlight = undefined;
        if (input) this.give(input);
      } else if (timeout === Infinity) return;
      else {
        this.now = timeout;
        this.#perform(this.core.handleTimeout(instant(timeout)));
      }
    }
  }

  #perform(outputs: readonly ConnectionOutput[]): void {
    for (const output of outputs) {
      if (output.kind === 'close-transport') {
        this.#inFlight = undefined;
        this.#next = undefined;
      } else if (output.kind === 'open-transport') this.#open(output.url);
      else if (output.kind === 'changed' && output.change.to === 'online') {
        this.onlineAt.push(this.core.url ?? '');
      }
    }
  }

  #open(url: string): void {
    if (this.#inFlight !== undefined) this.overlaps += 1;
    this.#inFlight = url;
    this.attempts.push({ url, at: this.now });
    const behaviour = this.hosts.get(url) ?? { kind: 'dead', afterMs: 0 };
    this.#next = this.#reaction(typeof behaviour === 'function' ? behaviour(this.now) : behaviour);
  }

  #reaction(behaviour: Behaviour): { at: number; inputs: ConnectionInput[] } | undefined {
    const at = this.now + 20;
    const open: ConnectionInput = { kind: 'transport-open' };
    switch (behaviour.kind) {
      case 'silent':
        return undefined;
      case 'dead':
        return { at: this.now + behaviour.afterMs, inputs: [{ kind: 'transport-failed' }] };
      case 'broken':
        return { at, inputs: [open, { kind: 'sign-in-failed', retryable: true }] };
      case 'stranger': {
        const refusal = { retryable: false, isHostsFault: true };
        return { at, inputs: [open, { kind: 'sign-in-failed', ...refusal }] };
      }
      case 'busy':
        return { at, inputs: [open, { ...behaviour, kind: 'sign-in-failed', retryable: true }] };
      case 'elsewhere':
        return { at, inputs: [open, { ...behaviour, kind: 'not-home' }] };
      case 'home': {
        const signedIn: ConnectionInput = { kind: 'signed-in', resumed: false, recovered: false };
        const inputs: ConnectionInput[] = [open, signedIn];
        if (behaviour.sendsTo) {
          const alternates = [...behaviour.sendsTo];
          const notice = { reason: 'redirect' as const, alternates, retryAfterMs: 0, windowMs: 0 };
          inputs.push({ kind: 'go-away', notice });
        } else if (behaviour.stays === 0) inputs.push({ kind: 'transport-lost' });
        return { at, inputs };
      }
    }
  }

  /** Park and Miller: evenly spread, and the same in every run. */
  #random(): number {
    this.#seed = (this.#seed * 48_271) % 2_147_483_647;
    return this.#seed / 2_147_483_647;
  }
}

const url = (name: string): string => `https://${name}.example`;
const NAMES = ['a', 'b', 'c', 'd', 'e'].map(url);
const [A = '', B = '', C = '', D = '', E = ''] = NAMES;

const isStranger = (behaviour: unknown) => (behaviour as Behaviour).kind === 'stranger';

const turnsAway: fc.Arbitrary<Behaviour> = fc.oneof(
  fc.record({ kind: fc.constant('dead' as const), afterMs: fc.nat(3000) }),
  fc.constant({ kind: 'silent' as const }),
  fc.constant({ kind: 'broken' as const }),
  fc.constant({ kind: 'stranger' as const }),
  fc.record({
    kind: fc.constant('elsewhere' as const),
    alternates: fc.array(fc.constantFrom(...NAMES, url('stranger')), { maxLength: 4 }),
  }),
  fc.record({
    kind: fc.constant('busy' as const),
    retryAfterMs: fc.nat(3000),
    windowMs: fc.nat(3000),
  }),
);

const worlds = fc.array(turnsAway, { minLength: NAMES.length, maxLength: NAMES.length });

function worldOf(behaviours: readonly Behaviour[], home?: string): World {
  const hosts = new Map(NAMES.map((name, at) => [name, behaviours[at] ?? { kind: 'silent' as const }]));
  if (home !== undefined) hosts.set(home, { kind: 'home' });
  return new World(hosts, [D, E], [A, B, C]);
}

/** Attempts in which every own host must have had its turn: the hosts of a round, each with what it may be asked again. */
const ROUND = (NAMES.length + 1 + LIMITS.maxAlternates) * 3 + NAMES.length;

describe('ConnectionCore › many hosts', () => {
  it('has never more than one attempt under way, and tries every host again and again', () => {
    fc.assert(
      fc.property(worlds, (behaviours) => {
        const world = worldOf(behaviours);
        world.run(ROUND * 3);

        expect(world.overlaps).toBe(0);
        for (let from = 0; from + ROUND <= world.attempts.length; from += ROUND) {
          const tried = new Set(world.attempts.slice(from, from + ROUND).map((attempt) => attempt.url));
          const missed = NAMES.filter((name) => !tried.has(name));
          // Who is of another cluster is asked once.
          expect(from === 0 ? missed : missed.filter((name) => !isStranger(world.hosts.get(name)))).toEqual(
            [],
          );
        }
      }),
      { numRuns: 100 },
    );
  });

  it('is online soon wherever one host lets it in', () => {
    fc.assert(
      fc.property(worlds, fc.constantFrom(...NAMES), (behaviours, home) => {
        const world = worldOf(behaviours, home);
        world.run(ROUND + 1);

        expect(world.onlineAt).toEqual([home]);
      }),
      { numRuns: 100 },
    );
  });

  it('costs nobody more than a few attempts in a second, whoever passes it on', () => {
    fc.assert(
      fc.property(worlds, (behaviours) => {
        const world = worldOf(behaviours);
        world.run(200);

        const spans = world.attempts.slice(60, -60).map(({ at }, index) => {
          return (world.attempts[index + 120]?.at ?? 0) - at;
        });
        expect(Math.min(...spans)).toBeGreaterThan(20_000);
      }),
      { numRuns: 100 },
    );
  });

  it('asks nobody again for its home, which it has just found dead, before the cluster can know of it', () => {
    const elsewhere = { kind: 'elsewhere', alternates: [A] } as const;
    const world = new World(
      new Map<string, Behaviour>([
        [A, { kind: 'dead', afterMs: 1 }],
        [B, elsewhere],
        [C, { kind: 'home' }],
      ]),
      [B],
      [A, B, C],
    );
    world.run(3);

    expect(world.attempts.map((attempt) => attempt.url)).toEqual([A, B, C]);
    const [dead, , next] = world.attempts.map(({ at }) => at);
    const waited = (next ?? 0) - (dead ?? 0);
    expect(waited).toBeGreaterThanOrEqual(FOUND_DEAD_MS);
    // Spread over a second, and what the answers took.
    expect(waited).toBeLessThan(FOUND_DEAD_MS + 1_100);
  });

  it('waits for a host that was not there a moment ago and now is slow, with all clients at its door', () => {
    const world = new World(
      new Map<string, Behaviour | ((now: number) => Behaviour)>([
        [A, (now) => (now < 5_000 ? { kind: 'dead', afterMs: 1 } : { kind: 'silent' })],
        [B, { kind: 'dead', afterMs: 1 }],
      ]),
      [A, B],
    );
    const silent = () => world.attempts.find(({ url, at }) => url === A && at >= 5_000);
    while (!silent()) world.run(world.attempts.length + 1);
    world.run(world.attempts.length + 1);

    const after = world.attempts[world.attempts.findIndex((attempt) => attempt === silent()) + 1];
    expect((after?.at ?? 0) - (silent()?.at ?? 0)).toBeGreaterThanOrEqual(LONGEST_ATTEMPT_MS);
  });

  it('ends the circle of two supernodes that disagree', () => {
    const world = new World(
      new Map([
        [A, { kind: 'elsewhere', alternates: [B] }],
        [B, { kind: 'elsewhere', alternates: [A] }],
      ]),
      [A, B],
    );
    world.run(40);

    expect(world.attempts.slice(0, 4).map((attempt) => attempt.url)).toEqual([A, B, A, B]);
    expect(world.attempts[3]?.at).toBe(60); // three redirects at once, then it waits
    expect(world.attempts[4]?.at).toBeGreaterThan(100);
    expect(world.now).toBeGreaterThan(60_000);
  });

  it('ends the circle of two supernodes that let it in and send it on', () => {
    const world = new World(
      new Map([
        [A, { kind: 'home', sendsTo: [B] }],
        [B, { kind: 'home', sendsTo: [A] }],
      ]),
      [A, B],
    );
    world.run(40);

    expect(world.onlineAt.length).toBeGreaterThan(30);
    expect(world.now).toBeGreaterThan(60_000);
  });

  it('passes over hosts of another cluster, and stops where there are no others', () => {
    const stranger: Behaviour = { kind: 'stranger' };
    const strangers = NAMES.map((name): [string, Behaviour] => [name, stranger]);
    const world = new World(new Map([...strangers, [E, { kind: 'home' }]]), [D, E], [A, B, C]);
    world.run(100);
    expect(world.attempts.map((attempt) => attempt.url)).toEqual(NAMES);
    expect(world.onlineAt).toEqual([E]);

    const lost = new World(new Map(strangers), [D, E], [A, B, C]);
    lost.run(100);
    expect(lost.attempts.map((attempt) => attempt.url)).toEqual(NAMES);
    expect(lost.core.state).toBe('disconnected');
  });

  it('waits ever longer for a supernode that lets it in and drops it', () => {
    const world = new World(new Map([[A, { kind: 'home', stays: 0 }]]), [A]);
    world.run(30);

    expect(world.now).toBeGreaterThan(60_000);
  });

  it('leaves a host that hangs for the next after two seconds, and gives it longer each time', () => {
    const world = new World(new Map([[A, { kind: 'silent' }]]), [A, B]);
    world.run(6);

    const patience = world.attempts.flatMap(({ url: tried, at }, index) => {
      const next = world.attempts[index + 1];
      return tried === A && next ? [next.at - at] : [];
    });
    expect(patience).toHaveLength(3);
    for (const [index, waited] of patience.entries()) {
      const window = BASE_MS * 2 ** Math.max(0, index - 1);
      expect(waited).toBeGreaterThanOrEqual(2000 * 2 ** index);
      expect(waited).toBeLessThanOrEqual(2000 * 2 ** index + window);
    }
  });

  it('waits as long as it takes where there is nobody else', () => {
    const world = new World(new Map([[A, { kind: 'silent' }]]), [A]);
    world.run(2);

    expect(world.attempts[1]?.at).toBeGreaterThanOrEqual(LONGEST_ATTEMPT_MS);
  });

  it('reaches the next home within seconds of the death of the first, wherever that hangs', () => {
    const hosts = new Map<string, Behaviour>([
      [A, { kind: 'home' }],
      [B, { kind: 'home' }],
      [D, { kind: 'elsewhere', alternates: [A] }],
    ]);
    const world = new World(hosts, [D], [A, B, C]);
    world.run(1);
    world.run(2);
    expect(world.onlineAt).toEqual([A]);
    const lostAt = (world.now += 60_000);
    hosts.set(A, { kind: 'silent' });

    world.give({ kind: 'transport-lost' });
    world.run(3);
    world.run(4);

    expect(world.attempts.slice(1).map((attempt) => attempt.url)).toEqual([A, B]);
    expect((world.attempts[1]?.at ?? 0) - lostAt).toBeLessThanOrEqual(300);
    expect(world.onlineAt).toEqual([A, B]);
    expect(world.now - lostAt).toBeLessThan(3000);
  });

  it.each(['dead', 'silent'] as const)(
    'is back within 15 seconds in 99 of 100 cases, where the cluster takes 5 to give the home that is %s to another',
    (how) => {
      const waits = Array.from({ length: 400 }, (_, seed) => {
        let lostAt = Infinity;
        const gone: Behaviour = how === 'dead' ? { kind: 'dead', afterMs: 1 } : { kind: 'silent' };
        const follower = (now: number): Behaviour =>
          now < lostAt + 5000 ? { kind: 'elsewhere', alternates: [A, B] } : { kind: 'home' };
        const hosts = new Map<string, Behaviour | ((now: number) => Behaviour)>([
          [A, (now) => (now < lostAt ? { kind: 'home' } : gone)],
          [B, follower],
          [C, (now) => (now < lostAt + 5000 ? follower(now) : { kind: 'elsewhere', alternates: [B] })],
          [D, { kind: 'elsewhere', alternates: [A] }],
        ]);
        const world = new World(hosts, [D], [A, B, C], seed * 7919);
        world.run(2);
        lostAt = world.now += 60_000;
        world.give({ kind: 'transport-lost' });
        while (world.onlineAt.length < 2) world.run(world.attempts.length + 1);
        return world.now - lostAt;
      }).sort((a, b) => a - b);

      expect(waits[395]).toBeLessThan(15_000);
    },
  );

  it('goes through hosts that are not there without waits from the second round on, and waits between rounds', () => {
    const world = new World(new Map(), [A, B, C]);
    world.run(30);

    const order = world.attempts.map((attempt) => attempt.url);
    expect(order).toEqual(Array.from({ length: 10 }, () => [A, B, C]).flat());
    const waits = world.attempts.slice(1).map(({ at }, index) => at - (world.attempts[index]?.at ?? 0));
    expect(Math.min(...waits.slice(0, 3))).toBeGreaterThan(0);
    for (const [index, wait] of waits.slice(3).entries()) {
      if (index % 3 === 2) expect(wait).toBeGreaterThan(0);
      else expect(wait).toBe(0);
    }
    expect(world.now).toBeGreaterThan(10_000);
  });

  it('follows to a home that it found dead, once the cluster would know of it', () => {
    const elsewhere = { kind: 'elsewhere', alternates: [A] } as const;
    let upAt = Infinity;
    const world = new World(
      new Map<string, Behaviour | ((now: number) => Behaviour)>([
        [A, (now) => (now < upAt ? { kind: 'dead', afterMs: 1 } : { kind: 'home' })],
        [B, { kind: 'silent' }],
        [C, { kind: 'silent' }],
        [D, elsewhere],
      ]),
      [A, B, C, D],
    );
    world.run(3);
    upAt = world.now;
    world.run(5);

    expect(world.attempts.map((attempt) => attempt.url)).toEqual([A, B, C, D, A]);
    const [, , , named, followed] = world.attempts;
    expect((followed?.at ?? 0) - (named?.at ?? 0)).toBe(20); // as long as the answer took
  });

  const CLIENTS = 400;
  const from = (upAt: number, behaviour: Behaviour) => (now: number) =>
    now < upAt ? ({ kind: 'dead', afterMs: 1 } as const) : behaviour;

  it('comes to its home, and to hardly anybody else, when a whole cluster comes back', () => {
    const [FIRST_UP, LAST_UP] = [7000, 8500];
    const elsewhere = { kind: 'elsewhere', alternates: [A] } as const;
    let reached = 0;
    const waits = Array.from({ length: CLIENTS }, (_, seed) => {
      const hosts = new Map([
        [A, from(LAST_UP, { kind: 'home' })],
        [B, from(FIRST_UP, elsewhere)],
        [C, from(FIRST_UP, elsewhere)],
      ]);
      const world = new World(hosts, [C], [A, B, C], seed * 7919);
      while (world.onlineAt.length < 1) world.run(world.attempts.length + 1);
      reached += world.attempts.filter(
        ({ url: tried, at }) => at >= (tried === A ? LAST_UP : FIRST_UP),
      ).length;
      return world.now - LAST_UP;
    }).sort((a, b) => a - b);

    expect(reached / CLIENTS).toBeLessThan(1.3);
    expect(waits[CLIENTS * 0.99]).toBeLessThan(10_000);
  });

  it('finds its new home when a whole cluster comes back without the one that it had', () => {
    const UP = 7000;
    const waits = Array.from({ length: CLIENTS }, (_, seed) => {
      const hosts = new Map([
        [A, from(Infinity, { kind: 'home' })],
        [B, from(UP, { kind: 'home' })],
        [C, from(UP, { kind: 'elsewhere', alternates: [B] })],
      ]);
      const world = new World(hosts, [C], [A, B, C], seed * 7919);
      while (world.onlineAt.length < 1) world.run(world.attempts.length + 1);
      return world.now - UP;
    }).sort((a, b) => a - b);

    // The home alone for four seconds, and the wait that had begun by then.
    expect(waits[CLIENTS * 0.99]).toBeLessThan(4000 + CAP_MS);
  });

  it('keeps to the window that a busy supernode names, and asks another one after a while', () => {
    const world = new World(
      new Map([
        [A, { kind: 'busy', retryAfterMs: 1000, windowMs: 3000 }],
        [B, { kind: 'silent' }],
      ]),
      [A, B],
    );
    world.run(4);

    expect(world.attempts.map((attempt) => attempt.url)).toEqual([A, A, A, B]);
    const waits = world.attempts.slice(1).map(({ at }, index) => at - 20 - (world.attempts[index]?.at ?? 0));
    for (const wait of waits) {
      expect(wait).toBeGreaterThanOrEqual(1000);
      expect(wait).toBeLessThanOrEqual(4000);
    }
  });

  it('is kept away by nobody for longer than five minutes at a time', () => {
    const forever = Number.MAX_SAFE_INTEGER;
    const world = new World(new Map([[A, { kind: 'busy', retryAfterMs: forever, windowMs: forever }]]), [A]);
    world.run(2);

    expect(world.attempts[1]?.at).toBeLessThanOrEqual(600_020);
  });
});
