import { nodeCrypto } from '../node/node-crypto.ts';
import { IceLab, type IceLabOptions } from '../testing/ice-lab.ts';
import type { VirtualIcePeer } from '../testing/virtual-ice-peer.ts';
import type { IceOutput } from './ice-io.ts';

function connected(options: Omit<IceLabOptions, 'crypto'> = {}): IceLab {
  const world = new IceLab({ crypto: nodeCrypto, ...options });
  world.gather();
  world.signal();
  expect(world.untilDirect(3000)).toBe(true);
  // Both sides know the relayed path as valid too.
  world.net.clock.advance(1000);
  return world;
}

/** A frame every 20 ms each way, so that each is an answer to the other's. */
function talk(world: IceLab, durationMs: number): readonly string[] {
  const frames: string[] = [];
  for (let at = 0; at < durationMs; at += 20) {
    world.net.clock.schedule(at, () => {
      const frame = `${world.net.clock.now}`;
      frames.push(frame);
      world.caller.send(frame);
      world.callee.send(`answer ${frame}`);
    });
  }
  return frames;
}

function checksSent(peer: VirtualIcePeer): number {
  return peer.agent.stats().checksSent;
}

type Sent = Extract<IceOutput, { kind: 'send' }>;

/** Checks that the peer sent after the output of that number; answers left out. */
function requestsSince(peer: VirtualIcePeer, outputs: number): readonly Sent[] {
  return peer.outputs
    .slice(outputs)
    .filter((output): output is Sent => output.kind === 'send' && output.bytes[0] === 0);
}

describe('IceAgent › consent (RFC 7675)', () => {
  it('is asked every 4 to 6 seconds on the path in use and on the relay that stands by', () => {
    const world = connected();
    const before = world.caller.outputs.length;

    world.net.clock.advance(60_000);

    const direct = requestsSince(world.caller, before).filter(
      ({ to }) => to.address === world.caller.path?.remote.address,
    );
    const relayed = requestsSince(world.caller, before).filter(
      ({ to }) => to.address === world.relay.address.address,
    );
    for (const asked of [direct, relayed]) {
      expect(asked.length).toBeGreaterThanOrEqual(10);
      expect(asked.length).toBeLessThanOrEqual(15);
    }
    expect(world.caller.path?.kind).toBe('direct');
  });

  it('keeps a quiet session for hours', () => {
    const limits = { seekMinMs: 1e9, seekMaxMs: 1e9 };
    const world = connected({ caller: { limits }, callee: { limits } });

    world.net.clock.advance(3_600_000);

    expect(world.caller.path?.kind).toBe('direct');
    expect(world.callee.agent.state).toBe('connected');
    expect(world.caller.paths.filter(({ atMs }) => atMs > 5000)).toEqual([]);
  });

  it('ends 30 seconds after the last answer where nothing else is left: no data, then failed', () => {
    const world = connected();
    world.cutDirect();
    world.relay.close();

    world.net.clock.advance(29_000);
    const mayStillSend = world.caller.send('perhaps');
    world.net.clock.advance(8000);

    expect(mayStillSend).toBe(true);
    expect(world.caller.send('never')).toBe(false);
    expect(world.caller.agent.state).toBe('disconnected');
    world.net.clock.advance(40_000);
    expect(world.caller.outputs).toContainEqual({ kind: 'failed', cause: 'consent-expired' });
    expect(world.caller.agent.state).toBe('failed');
  });

  it('a failed agent sends nothing any more, and a restart revives it', () => {
    const world = connected();
    world.cutDirect();
    for (const peer of [world.caller, world.callee]) peer.isCut = () => true;
    world.net.clock.advance(90_000);
    expect(world.caller.agent.state).toBe('failed');
    const before = checksSent(world.caller);
    world.mend();
    world.net.clock.advance(120_000);
    expect(checksSent(world.caller)).toBe(before);

    for (const peer of [world.caller, world.callee]) peer.input({ kind: 'restart' });
    world.signal();

    expect(world.untilDirect(3000)).toBe(true);
  });
});

describe('IceAgent › a path that dies (DESIGN 6.9)', () => {
  it('while data flows: duplicated onto the relay after 400 ms without an answer, on the relay alone when decided', () => {
    const world = connected();
    talk(world, 4000);
    world.net.clock.advance(500);
    world.cutDirect();

    expect(world.until(() => world.caller.agent.routes(world.net.clock.now).length === 2, 450)).toBe(true);
    expect(world.until(() => world.caller.path?.kind === 'relayed', 3000)).toBe(true);
    expect(world.until(() => world.callee.path?.kind === 'relayed', 1000)).toBe(true);
    expect(world.caller.agent.routes(world.net.clock.now)).toHaveLength(1);
  });

  it('what is lost is what was sent in the first 400 ms and nothing else', () => {
    const world = connected();
    const frames = talk(world, 4000);
    world.net.clock.advance(500);
    const cutAt = world.net.clock.now;
    world.cutDirect();
    world.net.clock.advance(4000);

    const lost = frames
      .filter((frame) => !world.callee.received.includes(frame))
      .map((frame) => Number(frame) - cutAt);
    expect(lost.length).toBeGreaterThan(0);
    expect(Math.max(...lost)).toBeLessThan(450);
  });

  it('while idle: found by the next consent check, within 15 seconds', () => {
    const world = connected();
    world.cutDirect();

    expect(
      world.until(
        () => world.caller.path?.kind === 'relayed' && world.callee.path?.kind === 'relayed',
        15_000,
      ),
    ).toBe(true);
  });

  it('a hiccup that probes survive changes nothing', () => {
    const world = connected();
    talk(world, 3000);
    world.net.clock.advance(500);
    world.cutDirect();
    world.net.clock.advance(700);
    world.mend();
    world.net.clock.advance(3000);

    expect(world.caller.paths.filter(({ atMs }) => atMs > 2000)).toEqual([]);
    expect(world.caller.path?.kind).toBe('direct');
    expect(world.caller.agent.routes(world.net.clock.now)).toHaveLength(1);
  });

  it('the direct path is found again by itself once it works', () => {
    const world = connected();
    world.cutDirect();
    world.until(() => world.caller.path?.kind === 'relayed' && world.callee.path?.kind === 'relayed', 15_000);
    world.net.clock.advance(20_000);
    world.mend();

    expect(world.untilDirect(70_000)).toBe(true);
  });

  it('a NAT that forgets its mappings and takes other ports: relay at once, direct again, without a restart', () => {
    const world = connected({
      callerNat: { allocation: 'random', filtering: 'endpoint-independent' },
      calleeNat: { filtering: 'endpoint-independent' },
    });
    const credentials = world.caller.agent.localCredentials;
    talk(world, 6000);
    world.net.clock.advance(500);
    world.callerNat.reboot();
    world.net.clock.advance(6000);

    expect(world.untilDirect(5000)).toBe(true);
    expect(world.caller.agent.localCredentials).toEqual(credentials);
  });

  it('a NAT that forgets its mappings: who is heard through the relay by then notices too that it is not heard', () => {
    const world = connected({ callerNat: { allocation: 'random' } });
    // Nothing but the relay is left, so that no new path hides what the old one does.
    talk(world, 500);
    world.net.clock.advance(500);
    world.cutDirect();
    for (let at = 0; at < 2000; at += 20) world.net.clock.schedule(at, () => world.caller.send('on and on'));
    for (let at = 350; at < 2000; at += 20) world.net.clock.schedule(at, () => world.callee.send('later'));

    expect(world.until(() => world.caller.received.includes('later'), 1000)).toBe(true);
  });

  it('a path that is dead in one direction only: who is heard on it, and on the relay, uses the relay too', () => {
    const world = connected();
    talk(world, 5000);
    world.net.clock.advance(3000);
    world.callee.isCut = ({ address }) => address !== world.relay.address.address;
    world.net.clock.advance(600);
    const { length } = world.caller.received;
    world.net.clock.advance(200);

    expect(world.caller.received.length - length).toBeGreaterThanOrEqual(9);
    world.mend();
    world.net.clock.advance(3000);
    expect(world.callee.agent.routes(world.net.clock.now)).toHaveLength(1);
  });

  it('a client that moves to another network: direct again within a second, without a restart', () => {
    const world = connected();
    const cell = world.net.addNat({ externalAddresses: ['203.0.113.77'] });
    talk(world, 10_000);
    world.net.clock.advance(500);

    world.caller.roam(cell.inside, '10.9.0.2');
    const isThere = (): boolean =>
      world.callee.path?.remote.address === '203.0.113.77' &&
      world.caller.path?.local.address === '203.0.113.77';

    expect(world.until(isThere, 1000)).toBe(true);
    const { length } = world.callee.received;
    world.net.clock.advance(1000);
    expect(world.callee.received.length - length).toBeGreaterThanOrEqual(49);
  });

  it('the relay that stands by is gone: the direct path goes on, and the relay is not asked for ever', () => {
    const world = connected();
    world.relay.close();
    world.net.clock.advance(120_000);

    expect(world.caller.path).toMatchObject({ kind: 'direct' });
    expect(world.caller.agent.stats().pairs.succeeded).toBe(1);
    expect(checksSent(world.caller)).toBeLessThan(250);
  });

  it('base-lost: pairs of a lost allocation are gone, the rest goes on', () => {
    const world = connected({ caller: { policy: 'any' } });

    world.caller.input({ kind: 'base-lost', base: { id: 'relay', kind: 'relay', family: 'ipv4' } });

    expect(world.caller.path?.kind).toBe('direct');
    expect(world.caller.agent.localCandidates().map(({ kind }) => kind)).toEqual(['host', 'serverReflexive']);
  });

  it('relay-refused: pairs through the relay to that address are not tried again', () => {
    const world = connected();
    const base = { id: 'relay', kind: 'relay', family: 'ipv4' } as const;
    const { failed } = world.caller.agent.stats().pairs;
    for (const { address: peer } of world.callee.knownCandidates())
      world.caller.input({ kind: 'relay-refused', base, peer });

    expect(world.caller.agent.stats().pairs.failed).toBeGreaterThan(failed);
    const refused = world.caller.outputs.length;
    world.net.clock.advance(30_000);
    const throughRelay = requestsSince(world.caller, refused).filter(
      (output) => output.base.kind === 'relay',
    );
    expect(throughRelay).toEqual([]);
  });
});

describe('IceAgent › restart (RFC 8445 section 9)', () => {
  it('data goes on on the old path until a new one is valid, then moves', () => {
    const world = connected();
    const old = [world.caller.agent.localCredentials, world.callee.agent.localCredentials];
    const frames = talk(world, 2000);
    world.net.clock.advance(200);

    for (const peer of [world.caller, world.callee]) peer.input({ kind: 'restart' });
    world.net.clock.advance(300);
    expect(world.caller.path).toMatchObject({ kind: 'direct', provisional: false });
    world.signal();
    world.net.clock.advance(3000);

    expect([world.caller.agent.localCredentials, world.callee.agent.localCredentials]).not.toEqual(old);
    expect(world.caller.path).toMatchObject({ kind: 'direct', provisional: false });
    expect(frames.filter((frame) => !world.callee.received.includes(frame))).toEqual([]);
    expect(world.caller.agent.stats().pairs.succeeded).toBeGreaterThan(0);
  });

  it('other credentials of the peer without a restart of ours are refused', () => {
    const world = connected();

    world.caller.input({ kind: 'remote-credentials', credentials: { ufrag: 'other', pwd: 'b'.repeat(22) } });

    expect(world.caller.outputs.at(-1)).toEqual({ kind: 'drop', reason: 'restart-needed' });
    expect(world.caller.path?.kind).toBe('direct');
  });

  it('checks of the generation before are still answered for 30 seconds', () => {
    const world = connected();
    world.caller.input({ kind: 'restart' });
    const answered = world.callee.agent.stats().checksAnswered;

    world.net.clock.advance(20_000);
    expect(world.callee.path?.kind).toBe('direct');
    expect(world.callee.agent.stats().checksAnswered).toBeGreaterThan(answered);
    world.net.clock.advance(60_000);

    expect(world.callee.path).toBeUndefined();
  });
});
