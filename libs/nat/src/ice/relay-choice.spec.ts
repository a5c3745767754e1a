import { nodeCrypto } from '../node/node-crypto.ts';
import { RelayLab } from '../testing/relay-lab.ts';
import type { LinkOptions } from '../testing/link.ts';
import { instant, type Instant } from '../time/instant.ts';
import type { CandidatePair } from './candidate-pair.ts';
import { isClearlyShorter, RelayChoice } from './relay-choice.ts';

const FAR = { latencyMs: 60 };
const NEAR = { latencyMs: 5 };

function lab(links: readonly LinkOptions[], seed = 1): RelayLab {
  const world = new RelayLab({ crypto: nodeCrypto, links, seed });
  world.connect();
  return world;
}

/** A frame every 20 ms each way. */
function talk(world: RelayLab, durationMs: number): readonly string[] {
  const frames: string[] = [];
  for (let at = 0; at < durationMs; at += 20) {
    world.net.clock.schedule(at, () => {
      const frame = `${world.net.clock.now}`;
      frames.push(frame);
      world.caller.send(frame);
      world.callee.send(frame);
    });
  }
  return frames;
}

const isAt = (world: RelayLab, relay: number): boolean =>
  [world.caller, world.callee].every((peer) => world.relaysOf(peer).every((at) => at === relay));

describe('the relay of a session', () => {
  it('is the near one soon, on both sides, where the home is far, with no frame lost or late at the switch', () => {
    const world = lab([FAR, NEAR]);
    expect(isAt(world, 0)).toBe(true);
    const frames = talk(world, 8_000);
    world.net.clock.advance(6_000);
    expect(isAt(world, 1)).toBe(true);
    world.net.clock.advance(4_000);

    for (const { received } of [world.caller, world.callee]) {
      expect(new Set(received)).toEqual(new Set(frames));
      expect(received).toHaveLength(frames.length);
    }
    expect(world.caller.agent.path?.rttMs).toBeLessThan(60);
  });

  it('is the one with the lowest sum of several', () => {
    const world = lab([{ latencyMs: 60 }, { latencyMs: 30 }, { latencyMs: 5 }]);
    world.net.clock.advance(10_000);

    expect(isAt(world, 2)).toBe(true);
  });

  it('stays where it is when the others are as near, or a little nearer', () => {
    for (const others of [20, 18, 22]) {
      const world = lab([{ latencyMs: 20 }, { latencyMs: others }]);
      const before = world.caller.paths.length;
      world.net.clock.advance(300_000);

      expect(isAt(world, 0)).toBe(true);
      expect(world.caller.paths.slice(before)).toEqual([]);
    }
  });

  it('does not follow noise, for ten minutes, in any of eight networks', () => {
    for (let seed = 1; seed <= 8; seed += 1) {
      const noisy = { latencyMs: 20, jitterMs: 12 };
      const world = lab([noisy, noisy], seed);
      expect(isAt(world, 0)).toBe(true);
      const before = world.caller.paths.length;
      world.net.clock.advance(600_000);
      expect({ seed, moves: world.caller.paths.length - before }).toEqual({ seed, moves: 0 });
    }
  });

  it('moves ever more rarely between relays that take turns in being the nearer one', () => {
    const [first, second] = [
      { latencyMs: 60, jitterMs: 0 },
      { latencyMs: 5, jitterMs: 0 },
    ];
    const world = lab([first, second]);
    world.net.clock.advance(10_000);
    const before = world.caller.paths.length;
    for (let turn = 0; turn < 30; turn += 1) {
      [first.latencyMs, second.latencyMs] = [second.latencyMs, first.latencyMs];
      world.net.clock.advance(40_000 + 7_000 * (turn % 5));
    }

    const moves = world.caller.paths.length - before;
    expect(moves).toBeGreaterThan(1);
    expect(moves).toBeLessThan(9);
  });

  it('is another one that lives when it dies, and the nearest of those', () => {
    const world = lab([FAR, NEAR, { latencyMs: 20 }]);
    world.net.clock.advance(8_000);
    expect(isAt(world, 1)).toBe(true);
    talk(world, 20_000);
    world.relays[1]?.close();
    const { length } = world.callee.received;
    world.net.clock.advance(1_500);
    expect(world.callee.received.length).toBeGreaterThan(length);
    world.net.clock.advance(10_000);

    expect(isAt(world, 2)).toBe(true);
  });

  it('is asked for by a bounded number of checks, to relays of the peer alone', () => {
    const world = lab([{ latencyMs: 20 }, { latencyMs: 20 }, { latencyMs: 20 }]);
    world.net.clock.advance(30_000);
    const before = world.caller.agent.stats().checksSent;
    const outputs = world.caller.outputs.length;
    world.net.clock.advance(60_000);

    // Seven paths: consent every five seconds, and two rounds of five checks.
    expect(world.caller.agent.stats().checksSent - before).toBeLessThan(7 * 15 + 7 * 10);
    const relays = world.relays.map(({ address }) => address.address);
    for (const output of world.caller.outputs.slice(outputs))
      if (output.kind === 'send') expect(relays).toContain(output.to.address);
  });
});

describe('RelayChoice', () => {
  const pair = (roundTripMs: number): CandidatePair => ({ roundTripMs }) as unknown as CandidatePair;
  const at = (ms: number): Instant => instant(ms);

  /** Lets a round pass in which every path answers as it does. */
  function round(choice: RelayChoice, from: number, forMs: number, answers = (_pair: CandidatePair) => true) {
    for (let now = from; now <= from + forMs; now += 20) {
      const due = choice.takeDue(at(now));
      if (due !== undefined && answers(due)) choice.answered(due, due.roundTripMs ?? 0);
    }
    return from + forMs;
  }

  it('needs a second round that says the same', () => {
    const [current, other] = [pair(100), pair(20)];
    const choice = new RelayChoice();
    choice.update({ current, alternatives: [other] }, at(0));
    expect(choice.state).toBe('resting');
    let now = round(choice, 1_000, 100);
    expect(choice.state).toBe('measuring');
    now = round(choice, now + 20, 480);
    expect(choice.state).toBe('confirming');
    expect(choice.pick).toBeUndefined();
    other.roundTripMs = 100;
    round(choice, now + 20, 800);

    expect(choice.state).toBe('resting');
    expect(choice.pick).toBeUndefined();
  });

  it('forgets its choice when the path left it, as after its death', () => {
    const [current, other, third] = [pair(100), pair(20), pair(30)];
    const choice = new RelayChoice();
    choice.update({ current, alternatives: [other] }, at(0));
    round(choice, 1_000, 2_000);
    expect(choice.pick).toBe(other);
    choice.update({ current: other, alternatives: [current, third] }, at(3_100));
    expect(choice.pick).toBe(other);

    choice.update({ current: third, alternatives: [current, other] }, at(4_000));

    expect(choice.pick).toBeUndefined();
    round(choice, 4_020, 900);
    expect(choice.state).toBe('resting');
  });

  it('does not choose one that loses checks', () => {
    const [current, other] = [pair(100), pair(20)];
    const choice = new RelayChoice();
    choice.update({ current, alternatives: [other] }, at(0));
    let lost = 0;
    round(choice, 1_000, 2_000, (due) => due !== other || (lost += 1) > 2);

    expect(choice.pick).toBeUndefined();
  });

  it('says nothing of what is not its business any more', () => {
    const choice = new RelayChoice();
    choice.update({ current: pair(100), alternatives: [pair(20)] }, at(0));
    round(choice, 1_000, 100);
    choice.update(undefined, at(1_100));

    expect(choice.state).toBe('idle');
    expect(choice.nextAt()).toBeUndefined();
    expect(choice.takeDue(at(60_000))).toBeUndefined();
  });

  it.each([
    [50, 100, true],
    [85, 100, false],
    [1, 9, false],
    [1, 12, true],
  ])('%d ms against %d ms: clearly shorter %s', (ms, other, isShorter) => {
    expect(isClearlyShorter(ms, other)).toBe(isShorter);
  });
});
