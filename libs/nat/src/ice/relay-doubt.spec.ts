import { nodeCrypto } from '../node/node-crypto.ts';
import { RelayLab } from '../testing/relay-lab.ts';

/** Three relays on each side, so nine pairs of them. */
function lab() {
  const links = [{ latencyMs: 10 }, { latencyMs: 10 }, { latencyMs: 10 }];
  const world = new RelayLab({ crypto: nodeCrypto, links });
  world.connect();
  world.net.clock.advance(3_000);
  const peers = [world.caller, world.callee];
  expect(peers.map(({ agent }) => agent.stats().pairs.succeeded)).toEqual([9, 9]);
  return { world, links, peers };
}

/** A frame each way ten times a second; gives the longest time in which nothing of the other end came. */
function silence(world: RelayLab, durationMs: number): readonly number[] {
  const { clock } = world.net;
  const peers = [world.caller, world.callee];
  const heard = peers.map(({ received }) => ({ count: received.length, at: 0, gap: 0 }));
  for (let at = 0; at < durationMs; at += 10) {
    if (at % 100 === 0) for (const peer of peers) peer.send(`${clock.now}`);
    clock.advance(10);
    for (const [number, peer] of peers.entries()) {
      const state = heard[number];
      if (state === undefined) continue;
      state.gap = Math.max(state.gap, at - state.at);
      if (peer.received.length === state.count) continue;
      state.count = peer.received.length;
      state.at = at;
    }
  }
  return heard.map(({ gap }) => gap);
}

describe('the relays beside a relayed path', () => {
  it('are kept after one died, if they live, also where they are slow for a moment', () => {
    const { world, links, peers } = lab();
    silence(world, 1_000);
    const [, slow] = links;
    world.relays[0]?.close();
    if (slow) slow.latencyMs = 120;
    const gaps = silence(world, 1_500);
    if (slow) slow.latencyMs = 10;
    silence(world, 3_000);

    for (const gap of gaps) expect(gap).toBeLessThan(800);
    // The two that live, in any combination.
    expect(peers.map(({ agent }) => agent.stats().pairs.succeeded)).toEqual([4, 4]);
  });

  it('are asked soon after a death: by the shortest of the latest round trips, so that a busy moment does not make it wait', () => {
    const { world, links } = lab();
    silence(world, 1_000);
    for (const link of links) link.latencyMs = 200;
    silence(world, 8_000);
    for (const link of links) link.latencyMs = 10;
    silence(world, 8_000);
    world.relays[0]?.close();

    for (const gap of silence(world, 3_000)) expect(gap).toBeLessThan(800);
  });

  it('are all tried again now and then, also those beyond what is kept warm', () => {
    const { world } = lab();
    world.net.clock.advance(60_000);
    const isWhole = (): boolean => world.caller.agent.stats().pairs.succeeded === 9;
    expect(world.net.clock.advanceUntil(isWhole, 120_000)).toBe(true);
  });
});
