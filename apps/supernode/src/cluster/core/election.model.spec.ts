import { describe, expect, it } from '@jest/globals';
import type { Instant } from '@parley/nat';
import { SeededRandom } from '@parley/nat/testing';
import fc from 'fast-check';
import type { LoadVector } from '../node-record.ts';
import { EMPTY_ROSTER, type Roster } from '../roster.ts';
import { DEFAULT_CLUSTER_SETTINGS, type ClusterSettings } from './cluster-settings.ts';
import { Coordinator } from './coordinator.ts';
import { ElectionMemory } from './election-memory.ts';
import { plan } from './plan.ts';
import { smoothedLoad } from './score.ts';
import {
  assessed,
  IDLE_LOAD,
  memberOf,
  mutuallyReached,
  NO_CONTROLS,
  recordOf,
} from './testing/assessed-nodes.ts';

const SETTINGS = { ...DEFAULT_CLUSTER_SETTINGS, slotCount: 16 };

describe('coordinators (model)', () => {
  /**
   * Three supernodes that all may believe to coordinate, because the lease store loses leases; readings and writes that take any time.
   */
  const step = fc.oneof(
    fc.record({ kind: fc.constant('hold' as const), who: fc.nat(2) }),
    fc.record({ kind: fc.constant('lose-lease' as const), who: fc.nat(2) }),
    fc.record({ kind: fc.constant('read' as const), who: fc.nat(2) }),
    fc.record({ kind: fc.constant('plan' as const), who: fc.nat(2) }),
    fc.record({ kind: fc.constant('deliver-write' as const), who: fc.nat(50) }),
    fc.record({ kind: fc.constant('wait' as const), who: fc.nat(1500) }),
    fc.record({ kind: fc.constant('fail' as const), who: fc.nat(2) }),
    fc.record({ kind: fc.constant('coup' as const), who: fc.nat(2) }),
  );

  type Step = typeof step extends fc.Arbitrary<infer One> ? One : never;

  class Model {
    readonly accepted: Roster[] = [];
    private now = 10_000 as Instant;
    private holder: { readonly who: number; readonly until: number } | undefined;
    private stored: Roster = EMPTY_ROSTER;
    private readonly alive = new Set(['n0', 'n1', 'n2', 'n3']);
    private readonly writes: {
      readonly who: number;
      readonly sentAt: Instant;
      readonly roster: Roster;
      readonly expected: number;
    }[] = [];
    private readonly actors = [0, 1, 2].map((who) => ({
      coordinator: new Coordinator(`n${who}`, SETTINGS, 0 as Instant),
      roster: EMPTY_ROSTER,
      readAt: undefined as Instant | undefined,
    }));

    constructor(private readonly compares: boolean) {}

    step({ kind, who }: Step): void {
      this.now = (this.now + 1) as Instant;
      switch (kind) {
        case 'wait':
          this.now = (this.now + who) as Instant;
          break;
        case 'lose-lease':
          this.holder = undefined;
          break;
        case 'hold':
          this.hold(who);
          break;
        case 'read':
          this.read(who);
          break;
        case 'plan':
          this.plan(who);
          break;
        case 'deliver-write':
          this.deliver(who);
          break;
        case 'fail':
          // Somebody dies or returns, so that there is something to plan.
          if (!this.alive.delete(`n${who + 1}`)) this.alive.add(`n${who + 1}`);
          break;
        case 'coup':
          this.holder = undefined;
          this.hold(who);
          this.read(who);
          this.plan(who);
          break;
      }
    }

    private hold(who: number): void {
      const { holder } = this;
      if (holder !== undefined && holder.until > this.now && holder.who !== who) return;
      this.holder = { who, until: this.now + SETTINGS.coordinatorTtlMs };
      this.actors[who]!.coordinator.held(this.now, this.now);
    }

    private read(who: number): void {
      const actor = this.actors[who]!;
      actor.readAt = this.now;
      if (this.stored.epoch <= actor.roster.epoch) return;
      actor.coordinator.rosterAdopted(actor.roster, this.stored, this.now);
      actor.roster = this.stored;
    }

    private plan(who: number): void {
      const { roster, readAt, coordinator } = this.actors[who]!;
      const { now } = this;
      const members = mutuallyReached([...this.alive].map((id) => recordOf(id))).map((record) =>
        memberOf(record),
      );
      coordinator.hurry(now);
      const facts = {
        roster,
        controls: NO_CONTROLS,
        rosterReadAt: readAt,
        leasesReadAt: now,
        assess: () => assessed(members, roster, { settings: SETTINGS, now }),
      };
      const made = coordinator.evaluate(facts, now);
      if (made?.roster === undefined) return;
      this.writes.push({ who, sentAt: now, roster: made.roster, expected: roster.epoch });
    }

    private deliver(which: number): void {
      const [write] = this.writes.splice(which % Math.max(1, this.writes.length), 1);
      if (write === undefined) return;
      const isWritten = !this.compares || this.stored.epoch === write.expected;
      if (isWritten) {
        this.stored = write.roster;
        this.accepted.push(write.roster);
      }
      const outcome = isWritten ? 'written' : 'conflict';
      this.actors[write.who]!.coordinator.writeEnded(write.sentAt, outcome, this.now);
    }
  }

  function run(steps: readonly Step[], compares: boolean): readonly Roster[] {
    const model = new Model(compares);
    for (const one of steps) model.step(one);
    return model.accepted;
  }

  const holds = (accepted: readonly Roster[]) => {
    const epochs = accepted.map((roster) => roster.epoch);
    return epochs.every((epoch, index) => index === 0 || epoch === epochs[index - 1]! + 1);
  };

  it('are never two accepted in one epoch', () => {
    let written = 0;
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 120 }), (steps) => {
        const accepted = run(steps, true);
        written += accepted.length;
        expect(holds(accepted)).toBe(true);
      }),
      { numRuns: 300, seed: 7 },
    );
    expect(written).toBeGreaterThan(300);
  });

  it('would be, were a roster written without comparing: the model notices', () => {
    const result = fc.check(
      fc.property(fc.array(step, { minLength: 20, maxLength: 120 }), (steps) => holds(run(steps, false))),
      { numRuns: 5_000, seed: 7 },
    );

    expect(result.failed).toBe(true);
  });
});

describe('noise on the load (model)', () => {
  const cases = [
    fc.integer({ min: 3, max: 8 }),
    fc.integer({ min: 1, max: 4 }),
    fc.double({ min: 0.02, max: 0.8, noNaN: true }),
    fc.nat(),
  ] as const;
  const EVERYTHING = Object.keys(IDLE_LOAD) as (keyof LoadVector)[];
  const NOISE = 0.2;
  /** Waits of an election are as they are; only how long a seat is kept at least is shorter, so that all is settled sooner. */
  const MODEL_SETTINGS = { ...SETTINGS, minimumTenureMs: 150_000 };
  const SETTLING_S = 500;
  const NOISY_S = 300;

  /** Rosters that are written while the load settles, and then under noise of some of its terms. */
  function rostersUnderNoise(
    nodes: number,
    baseLoad: number,
    seed: number,
    settings: ClusterSettings,
    noisyTerms: readonly (keyof LoadVector)[] = EVERYTHING,
  ): { readonly settling: number; readonly noisy: number } {
    const { minimumSeats } = settings;
    const random = new SeededRandom(seed);
    const memory = new ElectionMemory();
    const ids = Array.from({ length: nodes }, (_, index) => `n${index}`);
    // What each machine does besides, with a seat or without.
    const usual = ids.map(() => ({
      memory: 0.1 + 0.8 * random.nextFraction(),
      eventLoopDelayMs: 1 + 150 * random.nextFraction(),
      relayBytesPerSecond: 8e7 * random.nextFraction(),
    }));
    let roster: Roster = EMPTY_ROSTER;
    let averages = ids.map(() => IDLE_LOAD);
    const loadOf = (index: number, isSeated: boolean, noise: number): LoadVector => {
      // The clients online do not change: they spread over the seats.
      const share = isSeated ? (baseLoad * minimumSeats) / Math.max(1, roster.seats.length) : 0;
      const load = { connections: share, cpu: share, ...usual[index]! };
      for (const term of noisyTerms) load[term] *= 1 - noise + 2 * noise * random.nextFraction();
      return {
        ...load,
        connections: Math.min(1, load.connections),
        cpu: Math.min(1, load.cpu),
        memory: Math.min(1, load.memory),
      };
    };
    const run = (seconds: number, from: number, noise: number) => {
      const before = roster.epoch;
      for (let second = from; second < from + seconds; second += 1) {
        const now = (second * 1000) as Instant;
        const records = mutuallyReached(
          ids.map((nodeId, index) => {
            const isSeated = roster.seats.some((seat) => seat.nodeId === nodeId);
            return recordOf(nodeId, { load: loadOf(index, isSeated, noise) });
          }),
        );
        averages = averages.map((average, index) =>
          smoothedLoad(average, records[index]!.load, 1000, settings.smoothingMs),
        );
        const members = records.map((record, index) => memberOf(record, { averageLoad: averages[index]! }));
        const made = plan({
          roster,
          assessment: assessed(members, roster, { settings, now }),
          controls: NO_CONTROLS,
          memory,
          settings,
          coordinator: 'n0',
          now,
        });
        if (made.roster === undefined) continue;
        memory.rosterAdopted(roster, made.roster, now);
        roster = made.roster;
      }
      return roster.epoch - before;
    };
    return { settling: run(SETTLING_S, 0, 0), noisy: run(NOISY_S, SETTLING_S, NOISE) };
  }

  it('of 20% up and down of every term brings no promotion and no demotion, whatever the load was', () => {
    fc.assert(
      fc.property(...cases, (nodes, minimumSeats, baseLoad, seed) => {
        const settings = { ...MODEL_SETTINGS, minimumSeats };
        const { settling, noisy } = rostersUnderNoise(nodes, baseLoad, seed, settings);
        expect(settling).toBeGreaterThan(0);
        expect(noisy).toBe(0);
      }),
      { numRuns: 60 },
    );
  }, 60_000);

  const hasty = {
    smoothingMs: 1,
    promoteHeldMs: 0,
    demoteHeldMs: 0,
    minimumTenureMs: 0,
    promotionIntervalMs: 0,
  };

  it.each<[string, (keyof LoadVector)[], Partial<ClusterSettings>]>([
    ['clients', ['connections'], { ...hasty, shrinkFill: SETTINGS.growFill }],
    ['the processor', ['cpu'], { ...hasty, demoteScore: 0.8, promoteScore: 0.8 }],
    ['memory', ['memory'], { ...hasty, demoteScore: 0.8, promoteScore: 0.8 }],
    ['the event loop', ['eventLoopDelayMs'], { ...hasty, demoteScore: 0.8, promoteScore: 0.8 }],
    ['relayed traffic', ['relayBytesPerSecond'], { ...hasty, demoteScore: 0.8, promoteScore: 0.8 }],
  ])('of %s would, without hysteresis: the model notices', (_of, terms, changed) => {
    const result = fc.check(
      fc.property(...cases, (nodes, minimumSeats, baseLoad, seed) => {
        const settings = { ...SETTINGS, minimumSeats, ...changed };
        return rostersUnderNoise(nodes, baseLoad, seed, settings, terms).noisy === 0;
      }),
      { numRuns: 100, seed: 7, endOnFailure: true },
    );

    expect(result.failed).toBe(true);
  });
});
