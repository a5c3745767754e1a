import { nodeCrypto } from '../node/node-crypto.ts';
import { transportAddress } from '../net/ip-address.ts';
import { StunMessageBuilder } from '../stun/message-builder.ts';
import { Method } from '../stun/message-type.ts';
import { Username } from '../stun/attributes/text.ts';
import { shortTermKey } from '../stun/credentials.ts';
import { newTransactionId } from '../stun/transaction-id.ts';
import { IceLab, type IceLabOptions } from '../testing/ice-lab.ts';
import { seededCrypto } from '../testing/seeded-crypto.ts';
import type { VirtualIcePeer } from '../testing/virtual-ice-peer.ts';
import type { IceCandidate } from './candidate.ts';
import { encodeCheck } from './connectivity-check.ts';
import { newIceCredentials } from './ice-credentials.ts';
import { IceAgent } from './ice-agent.ts';
import type { IceDropReason, IceOutput } from './ice-io.ts';
import { instant } from '../time/instant.ts';

function lab(options: Omit<IceLabOptions, 'crypto'> = {}): IceLab {
  return new IceLab({ crypto: nodeCrypto, ...options });
}

function connected(options: Omit<IceLabOptions, 'crypto'> = {}): IceLab {
  const world = lab(options);
  world.gather();
  world.signal();
  expect(world.untilDirect(3000)).toBe(true);
  return world;
}

function dropsOf(peer: VirtualIcePeer): Partial<Record<IceDropReason, number>> {
  return Object.fromEntries(peer.agent.stats().drops);
}

/** What left the peer's socket for somebody other than the relay. */
function sentPast(world: IceLab, peer: VirtualIcePeer): readonly IceOutput[] {
  return peer.outputs.filter(
    (output) =>
      output.kind === 'send' &&
      output.base.kind === 'socket' &&
      output.to.address !== world.relay.address.address,
  );
}

describe('IceAgent › relayed first, then direct', () => {
  it('carries data over the relay at once and moves both sides to the direct path', () => {
    const world = lab();
    world.gather();
    world.signal();

    expect(world.caller.path).toMatchObject({ kind: 'relayed', provisional: true });
    expect(world.caller.send('first')).toBe(true);
    world.untilDirect(2000);

    expect(world.callee.received).toEqual(['first']);
    expect(world.caller.paths.map(({ kind, provisional }) => [kind, provisional])).toEqual([
      ['relayed', true],
      ['relayed', false],
      ['direct', false],
    ]);
    expect(world.callee.paths.map(({ kind, provisional }) => [kind, provisional])).toEqual([
      ['relayed', true],
      ['relayed', false],
      ['direct', false],
    ]);
  });

  it('the callee answers on the relay as soon as an authenticated check came through it', () => {
    const world = lab();
    world.gather();
    world.caller.signalTo(world.callee, 0);
    world.net.clock.advance(1);
    expect(world.callee.send('too early')).toBe(false);

    world.callee.signalTo(world.caller, 20);
    world.until(() => world.callee.path !== undefined, 200);

    expect(world.callee.path).toMatchObject({ kind: 'relayed', provisional: true });
    expect(world.callee.send('answer')).toBe(true);
    world.net.clock.advance(100);
    expect(world.caller.received).toEqual(['answer']);
  });

  it('the consent of the offer ends after 5 seconds without a check that succeeds', () => {
    const world = lab();
    world.gather();
    world.caller.input({
      kind: 'remote-credentials',
      credentials: newIceCredentials(nodeCrypto),
      candidates: world.callee.agent.localCandidates(),
    });
    world.callee.close();

    world.net.clock.advance(4900);
    expect(world.caller.send('still')).toBe(true);
    world.net.clock.advance(200);

    expect(world.caller.send('no more')).toBe(false);
    expect(world.caller.outputs).toContainEqual({ kind: 'path-lost', cause: 'provisional-expired' });
  });

  it('without a relayed candidate of the peer the caller starts through its own relay', () => {
    const world = lab({ callee: { useRelay: false } });
    world.gather();
    world.signal();
    world.caller.send('first');
    world.untilDirect(2000);

    expect(world.caller.paths[0]).toMatchObject({
      kind: 'relayed',
      provisional: true,
      local: { address: '198.51.100.1' },
    });
    expect(world.callee.received).toEqual(['first']);
  });

  it('data sent on the path that was just left still arrives', () => {
    const world = connected();

    const relayed = world.callee.knownCandidates().find(({ kind }) => kind === 'relayed');
    world.callee.send('on the direct path');
    world.caller.sendTo(relayed!.address, 'through the relay');
    world.net.clock.advance(100);

    expect(world.caller.received).toEqual(['on the direct path']);
    expect(world.callee.received).toEqual(['through the relay']);
  });
});

describe('IceAgent › trickle (RFC 8838)', () => {
  it('candidates that come late are paired and checked', () => {
    const world = lab();
    world.callee.signalTo(world.caller, 20);
    world.caller.signalTo(world.callee, 20);
    world.net.clock.advance(100);
    expect(world.caller.agent.state).toBe('checking');

    world.caller.gather();
    world.net.clock.advance(300);
    world.callee.gather();

    expect(world.untilDirect(2000)).toBe(true);
  });

  it('a peer that nobody announced is learnt from its check, and announced later keeps its pair', () => {
    const world = lab({ calleeNat: { mapping: 'endpoint-independent', filtering: 'endpoint-independent' } });
    world.gather();
    const withoutReflexive = world.caller.agent
      .localCandidates()
      .filter(({ kind }) => kind !== 'serverReflexive');
    world.callee.input({
      kind: 'remote-credentials',
      credentials: world.caller.agent.localCredentials,
      candidates: withoutReflexive,
    });
    world.callee.signalTo(world.caller, 0);

    expect(world.untilDirect(2000)).toBe(true);
    expect(world.callee.path?.remote.address).toBe('203.0.113.1');
    const before = world.callee.agent.stats();
    for (const candidate of world.caller.agent.localCandidates())
      world.callee.input({ kind: 'remote-candidate', candidate });

    expect(world.callee.agent.stats().remoteCandidates).toBe(before.remoteCandidates);
    expect(world.callee.path).toMatchObject({ kind: 'direct', remote: { address: '203.0.113.1' } });
  });

  it('a check that comes before the answer is answered, and followed up once the credentials are known', () => {
    const world = lab({ callerNat: { filtering: 'endpoint-independent' } });
    world.gather();
    world.caller.signalTo(world.callee, 0);
    world.net.clock.advance(200);
    expect(sentPast(world, world.caller).length).toBeGreaterThan(0);
    expect(world.caller.agent.stats()).toMatchObject({ checksSent: 0 });
    expect(world.callee.agent.stats().checksAnswered).toBeGreaterThan(0);

    world.callee.signalTo(world.caller, 0);

    expect(world.untilDirect(500)).toBe(true);
  });
});

describe('IceAgent › roles (RFC 8445 section 7.3.1.1)', () => {
  it.each([
    ['controlling', 1n, 2n, 'controlled', 'controlling'],
    ['controlling', 2n, 1n, 'controlling', 'controlled'],
    ['controlled', 1n, 2n, 'controlled', 'controlling'],
    ['controlled', 2n, 1n, 'controlling', 'controlled'],
  ] as const)(
    'both %s, tiebreakers %d and %d: %s and %s, and connected',
    (role, first, second, callerRole, calleeRole) => {
      const world = connected({ caller: { role, tiebreaker: first }, callee: { role, tiebreaker: second } });
      world.net.clock.advance(1000);

      expect([world.caller.agent.role, world.callee.agent.role]).toEqual([callerRole, calleeRole]);
      expect(world.caller.path?.kind).toBe('direct');
    },
  );
});

describe('IceAgent › no address leak (DESIGN 6.5)', () => {
  it('a callee that holds tells relayed candidates only and sends nothing to the caller until released', () => {
    const world = lab({ callee: { holdDirect: true } });
    world.gather();
    expect(world.callee.agent.localCandidates().map(({ kind }) => kind)).toEqual(['relayed']);
    world.signal();
    world.net.clock.advance(3000);

    expect(world.caller.path).toMatchObject({ kind: 'relayed', provisional: false });
    expect(sentPast(world, world.callee)).toEqual([]);

    world.callee.input({ kind: 'release-direct' });

    expect(world.untilDirect(3000)).toBe(true);
  });

  it('an authenticated check to a held address gets no answer', () => {
    const world = lab({ callee: { holdDirect: true }, calleeNat: { filtering: 'endpoint-independent' } });
    world.gather();
    world.signal();
    const reflexive = world.callee.knownCandidates().find(({ kind }) => kind === 'serverReflexive');
    world.caller.input({ kind: 'remote-candidate', candidate: reflexive! });
    world.net.clock.advance(2000);

    expect(dropsOf(world.callee)['direct-held']).toBeGreaterThan(0);
    expect(sentPast(world, world.callee)).toEqual([]);
    expect(world.caller.path?.kind).toBe('relayed');
  });

  it('relay-only uses and tells the relay alone; direct-only never touches one', () => {
    const hidden = lab({ caller: { policy: 'relay-only' } });
    hidden.gather();
    expect(hidden.caller.agent.localCandidates().map(({ kind }) => kind)).toEqual(['relayed']);
    hidden.signal();
    hidden.net.clock.advance(3000);
    expect(hidden.caller.path).toMatchObject({ kind: 'relayed', provisional: false });
    expect(sentPast(hidden, hidden.caller)).toEqual([]);

    const open = lab({ caller: { policy: 'direct-only' }, callee: { policy: 'direct-only' } });
    open.gather();
    const forwarded = open.relay.forwarded;
    open.signal();
    expect(open.caller.path).toBeUndefined();
    expect(open.untilDirect(3000)).toBe(true);
    expect(open.relay.forwarded).toBe(forwarded);
  });

  it('nothing is sent to anyone before the credentials of the accepted offer are known', () => {
    const world = lab();
    world.gather();
    for (const candidate of world.callee.agent.localCandidates())
      world.caller.input({ kind: 'remote-candidate', candidate });
    world.net.clock.advance(10_000);

    expect(world.caller.outputs.filter(({ kind }) => kind === 'send' || kind === 'permit')).toEqual([]);
  });
});

describe('IceAgent › forged and malformed', () => {
  const check = (
    peer: VirtualIcePeer,
    overrides: { ufrag?: string; pwd?: string; sender?: string } = {},
  ): Uint8Array =>
    encodeCheck(
      {
        transactionId: newTransactionId(nodeCrypto),
        local: { ufrag: overrides.sender ?? 'attacker', pwd: 'x' },
        remote: { ...peer.agent.localCredentials, ...overrides },
        claim: { role: 'controlling', tiebreaker: 1n },
        priority: 1,
        nomination: 7,
      },
      nodeCrypto,
    );

  it.each<[string, (peer: VirtualIcePeer) => Uint8Array, IceDropReason]>([
    ['a wrong password', (peer) => check(peer, { pwd: 'not the password of the peer' }), 'bad-integrity'],
    ['another fragment', (peer) => check(peer, { ufrag: 'somebody' }), 'wrong-username'],
    ['the name of another sender', (peer) => check(peer), 'wrong-username'],
    [
      'no username',
      () =>
        new StunMessageBuilder('request', Method.BINDING, newTransactionId(nodeCrypto))
          .addFingerprint(nodeCrypto)
          .toBytes(),
      'wrong-username',
    ],
    ['a broken length', (peer) => check(peer).subarray(0, 60), 'malformed'],
    [
      'another method',
      () => new StunMessageBuilder('request', Method.ALLOCATE, newTransactionId(nodeCrypto)).toBytes(),
      'not-a-check',
    ],
    [
      'an answer that nobody asked for',
      () => new StunMessageBuilder('success', Method.BINDING, newTransactionId(nodeCrypto)).toBytes(),
      'unknown-transaction',
    ],
  ])('%s is counted and gets no answer', (_name, forge, reason) => {
    const world = connected();
    const path = world.callee.path;
    const before = world.callee.outputs.length;

    world.callee.input({
      kind: 'datagram',
      base: { id: '10.0.1.2', kind: 'socket', family: 'ipv4' },
      from: transportAddress('198.51.100.66', 666),
      bytes: forge(world.callee),
    });

    expect(world.callee.outputs.slice(before)).toEqual([{ kind: 'drop', reason }]);
    expect(dropsOf(world.callee)).toMatchObject({ [reason]: 1 });
    expect(world.callee.path).toEqual(path);
  });

  it('an authenticated request without PRIORITY gets 400 and changes nothing', () => {
    const world = connected();
    const { ufrag, pwd } = world.callee.agent.localCredentials;
    const bytes = new StunMessageBuilder('request', Method.BINDING, newTransactionId(nodeCrypto))
      .add(Username, `${ufrag}:${world.caller.agent.localCredentials.ufrag}`)
      .addMessageIntegrity(nodeCrypto, shortTermKey(pwd))
      .addFingerprint(nodeCrypto)
      .toBytes();
    const before = world.callee.outputs.length;

    world.callee.input({
      kind: 'datagram',
      base: { id: '10.0.1.2', kind: 'socket', family: 'ipv4' },
      from: transportAddress('203.0.113.1', 5000),
      bytes,
    });

    expect(world.callee.outputs.slice(before).map(({ kind }) => kind)).toEqual(['drop', 'send']);
    expect(dropsOf(world.callee)).toMatchObject({ 'bad-request': 1 });
  });

  it('an answer under the wrong password does not make a pair valid', () => {
    const world = lab({ calleeNat: { filtering: 'endpoint-independent' } });
    world.gather();
    const credentials = {
      ...world.callee.agent.localCredentials,
      pwd: 'aPasswordThatIsNotTheRightOne',
    };
    world.callee.input({ kind: 'remote-credentials', credentials: world.caller.agent.localCredentials });
    world.caller.input({
      kind: 'remote-credentials',
      credentials,
      candidates: world.callee.agent.localCandidates(),
    });
    world.net.clock.advance(3000);

    expect(world.caller.agent.stats().pairs.succeeded).toBe(0);
    expect(dropsOf(world.callee)['bad-integrity']).toBeGreaterThan(0);
  });

  it('a flood of candidates, pairs and addresses stays within its bounds', () => {
    const world = lab();
    world.gather();
    world.caller.input({ kind: 'remote-credentials', credentials: world.callee.agent.localCredentials });
    for (let index = 0; index < 500; index += 1) {
      const candidate: IceCandidate = {
        kind: 'host',
        address: transportAddress('192.0.2.7', 2000 + index),
        priority: 1 + index,
        foundation: `${index}`,
      };
      world.caller.input({ kind: 'remote-candidate', candidate });
    }
    world.net.clock.advance(40_000);
    const stats = world.caller.agent.stats();

    expect(stats.remoteCandidates).toBe(32);
    expect(stats.outstandingTransactions).toBeLessThanOrEqual(256);
    expect(stats.drops.get('remote-candidate-limit')).toBe(500 - 32);
    // 32 candidates from two bases, six requests each, and no endless search while there is no path.
    expect(stats.checksSent).toBeLessThan(32 * 2 * 6 * 3);
    expect(world.caller.agent.state).toBe('failed');
  });

  it('random bytes never throw', () => {
    const world = connected();
    const random = seededCrypto(99, nodeCrypto);
    for (let index = 0; index < 2000; index += 1) {
      const bytes = Uint8Array.from(random.randomBytes((index % 80) + 1));
      if (index % 2 === 0 && bytes.length >= 20)
        bytes.set([0, 1, 0, bytes.length - 20, 0x21, 0x12, 0xa4, 0x42]);
      world.caller.input({
        kind: 'datagram',
        base: { id: '10.0.0.2', kind: 'socket', family: 'ipv4' },
        from: transportAddress('198.51.100.66', 666),
        bytes,
      });
    }

    expect(Object.values(dropsOf(world.caller)).reduce((sum, count) => sum + count, 0)).toBe(2000);
    expect(world.caller.path?.kind).toBe('direct');
  });
});

describe('IceAgent › without a network', () => {
  it('gives the same outputs for the same seed and inputs', () => {
    const run = (): readonly IceOutput[] => {
      const agent = new IceAgent({ crypto: seededCrypto(5, nodeCrypto), role: 'controlling' });
      const outputs: IceOutput[] = [];
      const base = { id: 's', kind: 'socket', family: 'ipv4' } as const;
      const host = {
        kind: 'host',
        address: transportAddress('192.0.2.1', 5000),
        priority: 2_130_706_431,
        foundation: '1',
      } as const;
      outputs.push(...agent.handle({ kind: 'local-candidate', candidate: { ...host, base } }, instant(0)));
      const candidates = [1, 2, 3].map((port) => ({
        ...host,
        address: transportAddress('192.0.2.2', 5000 + port),
        foundation: `${port}`,
      }));
      outputs.push(
        ...agent.handle(
          { kind: 'remote-credentials', credentials: { ufrag: 'abcd', pwd: 'a'.repeat(22) }, candidates },
          instant(0),
        ),
      );
      for (let at = agent.nextTimeoutAt(); at !== undefined && at < 60_000; at = agent.nextTimeoutAt())
        outputs.push(...agent.handleTimeout(at));
      return outputs;
    };

    expect(run()).toEqual(run());
  });

  it('paces new checks by Ta and retransmits at the stated times, then gives up', () => {
    const agent = new IceAgent({ crypto: seededCrypto(5, nodeCrypto), role: 'controlling' });
    const base = { id: 's', kind: 'socket', family: 'ipv4' } as const;
    const host = {
      kind: 'host',
      address: transportAddress('192.0.2.1', 5000),
      priority: 2_130_706_431,
      foundation: '1',
    } as const;
    agent.handle({ kind: 'local-candidate', candidate: { ...host, base } }, instant(0));
    agent.handle({ kind: 'gathering-complete' }, instant(0));
    const candidates = [1, 2].map((port) => ({
      ...host,
      address: transportAddress('192.0.2.2', 5000 + port),
      foundation: `${port}`,
    }));
    const sentAt: string[] = [];
    const note = (outputs: readonly IceOutput[], at: number): void => {
      for (const output of outputs) if (output.kind === 'send') sentAt.push(`${at} to ${output.to.port}`);
    };
    note(
      agent.handle(
        { kind: 'remote-credentials', credentials: { ufrag: 'abcd', pwd: 'a'.repeat(22) }, candidates },
        instant(0),
      ),
      0,
    );
    note(agent.handle({ kind: 'end-of-candidates' }, instant(0)), 0);
    for (let at = agent.nextTimeoutAt(); at !== undefined && at < 4900; at = agent.nextTimeoutAt())
      note(agent.handleTimeout(at), at);

    expect(sentAt).toEqual(
      [0, 250, 500, 1000, 2000, 4000].flatMap((at) => [`${at} to 5001`, `${at + 20} to 5002`]),
    );
  });

  it.each([
    ['no candidate of the peer', [], 'no-candidate-pairs'],
    ['candidates that do not answer', [5001], 'checks-exhausted'],
  ] as const)('%s: failed after the time that a peer may need to reach us', (_name, ports, cause) => {
    const agent = new IceAgent({ crypto: seededCrypto(5, nodeCrypto), role: 'controlling' });
    const base = { id: 's', kind: 'socket', family: 'ipv4' } as const;
    const host = {
      kind: 'host',
      address: transportAddress('192.0.2.1', 5000),
      priority: 2_130_706_431,
      foundation: '1',
    } as const;
    agent.handle({ kind: 'local-candidate', candidate: { ...host, base } }, instant(0));
    agent.handle({ kind: 'gathering-complete' }, instant(0));
    const candidates = ports.map((port) => ({ ...host, address: transportAddress('192.0.2.2', port) }));
    agent.handle(
      { kind: 'remote-credentials', credentials: { ufrag: 'abcd', pwd: 'a'.repeat(22) }, candidates },
      instant(0),
    );
    agent.handle({ kind: 'end-of-candidates' }, instant(0));
    const failures: string[] = [];
    for (let at = agent.nextTimeoutAt(); at !== undefined && at < 60_000; at = agent.nextTimeoutAt()) {
      for (const output of agent.handleTimeout(at))
        if (output.kind === 'failed') failures.push(`${at} ${output.cause}`);
    }

    expect(failures).toEqual([`10000 ${cause}`]);
    expect(agent.nextTimeoutAt()).toBeUndefined();
  });
});
