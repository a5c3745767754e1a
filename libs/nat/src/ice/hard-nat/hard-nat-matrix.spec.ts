import { nodeCrypto } from '../../node/node-crypto.ts';
import { IceLab } from '../../testing/ice-lab.ts';
import type { NatBoxOptions } from '../../testing/nat-box.ts';
import type { VirtualIcePeer } from '../../testing/virtual-ice-peer.ts';
import type { TransportAddress } from '../../net/transport-address.ts';
import { Username } from '../../stun/attributes/text.ts';
import { shortTermKey } from '../../stun/credentials.ts';
import { StunMessageBuilder } from '../../stun/message-builder.ts';
import { Method } from '../../stun/message-type.ts';
import { newTransactionId } from '../../stun/transaction-id.ts';
import { newIceCredentials } from '../ice-credentials.ts';
import type { NatReport } from '../remote-network.ts';

const APD = 'address-and-port-dependent';

interface Side {
  readonly box: Partial<NatBoxOptions>;
  readonly nat: NatReport;
}

const RESTRICTED: Side = {
  box: { mapping: 'endpoint-independent', filtering: APD },
  nat: { mapping: 'endpoint-independent', filtering: APD, portAllocation: 'preserving' },
};
const RANDOM: Side = {
  box: { mapping: APD, filtering: APD, allocation: 'random' },
  nat: { mapping: APD, filtering: APD, portAllocation: 'random' },
};

function sequential(step: number): Side {
  return {
    box: { mapping: APD, filtering: APD, allocation: { sequentialStep: step } },
    nat: { mapping: APD, filtering: APD, portAllocation: 'sequential', portStep: step },
  };
}

interface Run {
  readonly lab: IceLab;
  readonly isDirect: boolean;
  readonly directAfterMs: number;
}

interface RunOptions {
  readonly seed?: number;
  readonly noise?: number;
  readonly signallingMs?: number;
  readonly latencyMs?: number;
}

/** `noise`: mappings per second that another host makes behind each NAT. */
function run(caller: Side, callee: Side, options: RunOptions = {}): Run {
  const { seed = 1, noise = 0, signallingMs = 20, latencyMs = 5 } = options;
  const lab = new IceLab({
    crypto: nodeCrypto,
    seed,
    latencyMs,
    callerNat: caller.box,
    calleeNat: callee.box,
    caller: { nat: caller.nat, observedAddresses: ['203.0.113.1'] },
    callee: { nat: callee.nat, observedAddresses: ['203.0.113.2'] },
  });
  if (noise > 0) makeNoise(lab, noise);
  lab.gather();
  lab.net.clock.advance(1000);
  lab.caller.call(lab.callee, signallingMs);
  lab.until(() => lab.caller.path !== undefined, 20_000);
  const from = lab.net.clock.now;
  const isDirect = lab.untilDirect(10_000);
  return { lab, isDirect, directAfterMs: lab.net.clock.now - from };
}

/** Both have gathered, nothing was signalled yet. */
function prepared(
  caller: Side,
  callee: Side,
  {
    observedAt = ['203.0.113.2'],
    seed = 1,
  }: { readonly observedAt?: readonly string[]; readonly seed?: number } = {},
): IceLab {
  const lab = new IceLab({
    crypto: nodeCrypto,
    seed,
    callerNat: caller.box,
    calleeNat: callee.box,
    caller: { nat: caller.nat, observedAddresses: ['203.0.113.1'] },
    callee: { nat: callee.nat, observedAddresses: observedAt },
  });
  lab.gather();
  return lab;
}

function makeNoise(lab: IceLab, perSecond: number): void {
  for (const [nat, address] of [
    [lab.callerNat, '10.0.0.77'],
    [lab.calleeNat, '10.0.1.77'],
  ] as const) {
    const neighbour = lab.net.addHost({ addresses: [address] }, nat.inside);
    for (let at = 0; at < 15_000; at += 1000 / perSecond) {
      lab.net.clock.schedule(at, () => {
        neighbour.bind().send(new Uint8Array(1), { family: 'ipv4', address: '198.51.100.9', port: 9 });
      });
    }
  }
}

/** For some time, a crowd behind the NAT takes hundreds of ports after each sample: no prediction comes true. */
function crowd(lab: IceLab, side: 'caller' | 'callee', { untilMs }: { readonly untilMs: number }): void {
  const [nat, address, sampler] =
    side === 'caller'
      ? ([lab.callerNat, '10.0.0.77', '10.0.0.2'] as const)
      : ([lab.calleeNat, '10.0.1.77', '10.0.1.2'] as const);
  const neighbour = lab.net.addHost({ addresses: [address], link: { latencyMs: 5 } }, nat.inside);
  const socket = neighbour.bind();
  let port = 0;
  const until = lab.net.clock.now + untilMs;
  lab.net.observe(({ kind, packet, at }) => {
    const isSample =
      packet.source.address === sampler && packet.destination.address === lab.relay.address.address;
    if (kind !== 'sent' || !isSample || at > until) return;
    for (let taken = 0; taken < 300; taken += 1)
      socket.send(new Uint8Array(1), { family: 'ipv4', address: '198.51.100.9', port: (port += 1) });
  });
}

function probes(peer: VirtualIcePeer): number {
  const { predictedChecksSent, guessesSent } = peer.agent.stats();
  return predictedChecksSent + guessesSent;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

/** Datagrams of a peer's sockets to somebody other than the relay, with the time at which they left. */
function observeSent(lab: IceLab, inside: string): { readonly to: string; readonly at: number }[] {
  const sent: { to: string; at: number }[] = [];
  lab.net.observe(({ kind, packet, at }) => {
    if (kind !== 'sent' || packet.source.address !== inside) return;
    if (packet.destination.address !== lab.relay.address.address)
      sent.push({ to: packet.destination.address, at });
  });
  return sent;
}

const STEPS = [1, 2, 7];
const SEEDS = [1, 2, 3, 4, 5];

describe('hard NATs › sequential allocation is predicted', () => {
  it.each(STEPS)(
    'step %i against a stable mapping: direct at once, also beside a noisy neighbour',
    (step) => {
      for (const noise of [0, 50]) {
        for (const seed of SEEDS) {
          for (const [caller, callee] of [
            [RESTRICTED, sequential(step)],
            [sequential(step), RESTRICTED],
          ] as const) {
            const { isDirect, directAfterMs, lab } = run(caller, callee, { noise, seed });

            expect(isDirect).toBe(true);
            expect(directAfterMs).toBeLessThan(100);
            expect(probes(lab.caller) + probes(lab.callee)).toBeLessThan(100);
          }
        }
      }
    },
  );

  it.each(STEPS)('step %i against another sequential one: both walk through the ports and meet', (step) => {
    for (const noise of [0, 50]) {
      for (const seed of SEEDS) {
        for (const [caller, callee] of [
          [sequential(1), sequential(step)],
          [sequential(step), sequential(1)],
        ] as const) {
          const { isDirect, directAfterMs, lab } = run(caller, callee, { noise, seed });

          expect(isDirect).toBe(true);
          expect(directAfterMs).toBeLessThan(300);
          expect(probes(lab.caller) + probes(lab.callee)).toBeLessThan(600);
        }
      }
    }
  });

  it('two sequential ones meet over slow links and slow signalling too', () => {
    for (const seed of SEEDS) {
      const { isDirect } = run(sequential(1), sequential(2), {
        seed,
        noise: 50,
        signallingMs: 120,
        latencyMs: 60,
      });

      expect(isDirect).toBe(true);
    }
  });

  it.each(STEPS)('step %i, missed the first time: found by the mapping of another socket', (step) => {
    for (const seed of [1, 2]) {
      for (const [caller, callee] of [
        [RESTRICTED, sequential(step)],
        [sequential(step), RESTRICTED],
      ] as const) {
        const lab = prepared(caller, callee, { observedAt: ['203.0.113.2'], seed });
        crowd(lab, caller === RESTRICTED ? 'callee' : 'caller', { untilMs: 1000 });
        lab.caller.call(lab.callee, 20);

        expect(lab.untilDirect(900)).toBe(false);
        expect(lab.untilDirect(5000)).toBe(true);
        const predicted = caller === RESTRICTED ? lab.callee : lab.caller;
        expect(predicted.agent.stats().extraSocketsOpened).toBe(1);
        expect(predicted.extraSocketCount).toBe(1);
        lab.caller.send('by the new mapping');
        lab.net.clock.advance(10_000);
        expect(lab.callee.received).toEqual(['by the new mapping']);
      }
    }
  });

  it.each(SEEDS)(
    'without any prediction the exact port is told once the check has left (seed %i)',
    (seed) => {
      const lab = prepared(RESTRICTED, sequential(2), { observedAt: [], seed });
      makeNoise(lab, 50);
      lab.net.clock.advance(1000);
      lab.caller.call(lab.callee, 150);

      expect(lab.untilDirect(700)).toBe(true);
      expect(probes(lab.caller)).toBe(0);
    },
  );
});

describe('hard NATs › random allocation is guessed', () => {
  it('against a stable mapping: direct, median under 300 ms and worst under 2 s in 40 runs', () => {
    const outcomes = Array.from({ length: 40 }, (_unused, seed) =>
      seed % 2 === 0
        ? run(RESTRICTED, RANDOM, { seed, latencyMs: 0, signallingMs: 0 })
        : run(RANDOM, RESTRICTED, { seed, latencyMs: 0, signallingMs: 0 }),
    );
    const times = outcomes.map(({ directAfterMs }) => directAfterMs);

    expect(outcomes.map(({ isDirect }) => isDirect)).toEqual(outcomes.map(() => true));
    expect(median(times)).toBeLessThan(300);
    expect(Math.max(...times)).toBeLessThan(2000);
    for (const { lab } of outcomes) {
      // The socket that was met is the path now, the others are closed.
      expect(lab.caller.extraSocketCount + lab.callee.extraSocketCount).toBeLessThanOrEqual(2);
      expect(Math.max(probes(lab.caller), probes(lab.callee))).toBeLessThanOrEqual(2048);
    }
  });

  it('data goes on while the path moves to an extra socket, and the socket is closed with the path', () => {
    const { lab } = run(RESTRICTED, RANDOM, { seed: 3 });
    lab.callee.send('from the extra socket');
    lab.caller.send('to the extra socket');
    lab.net.clock.advance(60_000);
    lab.callee.send('still');
    lab.net.clock.advance(100);

    expect(lab.caller.received).toEqual(['from the extra socket', 'still']);
    expect(lab.callee.received).toEqual(['to the extra socket']);
    expect(lab.callee.extraSocketCount).toBe(1);
    lab.callee.input({ kind: 'close' });
    expect(lab.callee.extraSocketCount).toBe(0);
  });

  it('an attempt that meets nobody keeps to its budget, closes its sockets, and is not repeated for 20 s', () => {
    const lab = prepared(RESTRICTED, RANDOM);
    lab.cutDirect();
    lab.caller.call(lab.callee, 20);

    lab.net.clock.advance(15_000);

    expect(probes(lab.caller)).toBe(2048);
    expect(lab.callee.agent.stats().extraSocketsOpened).toBe(256);
    expect(lab.callee.extraSocketCount).toBe(0);
    lab.net.clock.advance(60_000);
    expect(probes(lab.caller)).toBe(3 * 2048);
  });

  it('never more than 1,000 guesses in a second', () => {
    const lab = prepared(RESTRICTED, RANDOM);
    const observed = observeSent(lab, '10.0.0.2');
    lab.callee.isCut = ({ address }) => address !== lab.relay.address.address;
    lab.caller.call(lab.callee, 20);
    lab.net.clock.advance(5000);

    const sent = observed.filter(({ to }) => to === '203.0.113.2');
    const ordinary = lab.caller.agent.stats().checksSent;
    const busiest = Math.max(
      ...sent.map(({ at }) => sent.filter((other) => other.at > at - 1000 && other.at <= at).length),
    );
    expect(sent.length).toBeGreaterThan(2000);
    expect(busiest).toBeLessThanOrEqual(1000 + ordinary);
  });
});

describe('hard NATs › hopeless pairs', () => {
  it.each([
    ['random × random', RANDOM, RANDOM],
    ['random × sequential', RANDOM, sequential(1)],
    ['sequential × random', sequential(2), RANDOM],
  ])('%s: relayed at once, without a probe and without a check to a reflexive address', (_name, a, b) => {
    const lab = prepared(a, b);
    const sent = [observeSent(lab, '10.0.0.2'), observeSent(lab, '10.0.1.2')];
    lab.caller.call(lab.callee, 20);
    lab.net.clock.advance(5000);

    expect([lab.caller.path?.kind, lab.callee.path?.kind]).toEqual(['relayed', 'relayed']);
    expect(probes(lab.caller) + probes(lab.callee)).toBe(0);
    expect(lab.caller.agent.stats().extraSocketsOpened + lab.callee.agent.stats().extraSocketsOpened).toBe(0);
    expect(sent.flat().filter(({ to }) => to.startsWith('203.0.113.'))).toEqual([]);
  });
});

describe('hard NATs › only towards who was observed', () => {
  it.each([
    ['guesses', RESTRICTED, RANDOM],
    ['extra sockets', RANDOM, RESTRICTED],
    ['predictions', RESTRICTED, sequential(1)],
    ['sprays', sequential(1), sequential(1)],
  ])('%s: none where no supernode observed what the peer signed', (_name, caller, callee) => {
    for (const observedAddresses of [[], ['203.0.113.99'], ['192.0.2.1', '10.0.1.2']]) {
      const lab = prepared(caller, callee, { observedAt: observedAddresses });
      const sent = observeSent(lab, '10.0.0.2');
      lab.caller.call(lab.callee, 20);
      lab.net.clock.advance(8000);

      expect(probes(lab.caller)).toBe(0);
      expect(lab.caller.agent.stats().extraSocketsOpened).toBe(0);
      const strangers = sent.filter(({ to }) => !['10.0.1.2', '203.0.113.2'].includes(to));
      expect(strangers).toEqual([]);
    }
  });
});

describe('hard NATs › a peer that restarts without an end', () => {
  it('gets no more than its address is worth, whatever ports it signs', () => {
    const lab = prepared(RESTRICTED, sequential(1));
    const { caller } = lab;
    caller.call(lab.callee, 20);
    lab.net.clock.advance(60_000);
    const before = probes(caller);
    const address = { family: 'ipv4', address: '203.0.113.2', port: 4000 } as const;
    for (let generation = 0; generation < 120; generation += 1) {
      caller.input({ kind: 'restart' });
      caller.input({
        kind: 'remote-credentials',
        credentials: newIceCredentials(nodeCrypto),
        candidates: [{ kind: 'serverReflexive', address, priority: 1_694_498_815, foundation: '1' }],
        network: {
          nat: { ...sequential(1).nat, latestPort: 10_000 + 256 * generation },
          ageMs: 0,
          observedAddresses: [address.address],
        },
      });
      lab.net.clock.advance(500);
    }

    // A minute: twelve attempts of 64 checks at once, and one of them every 5 s.
    expect(probes(caller) - before).toBeGreaterThan(12 * 64);
    expect(probes(caller) - before).toBeLessThanOrEqual((12 + 12) * 64);
  });
});

describe('hard NATs › strangers', () => {
  it('an unauthenticated or wrongly authenticated check to an extra socket does nothing', () => {
    const lab = prepared(RESTRICTED, {
      box: { mapping: APD, filtering: 'endpoint-independent', allocation: 'random' },
      nat: RANDOM.nat,
    });
    const attacker = lab.net.addHost({ addresses: ['198.51.100.66'] }).bind();
    const answers: Uint8Array[] = [];
    attacker.onDatagram((bytes) => answers.push(bytes));
    const external: TransportAddress[] = [];
    lab.net.observe(({ kind, packet }) => {
      if (kind === 'sent' || packet.source.address !== '203.0.113.2') return;
      if (packet.destination.address === '203.0.113.1') external.push(packet.source);
    });
    lab.caller.isCut = ({ address }) => address !== lab.relay.address.address;
    lab.caller.call(lab.callee, 20);
    lab.net.clock.advance(500);
    expect(lab.callee.extraSocketCount).toBe(256);

    const plain = new StunMessageBuilder('request', Method.BINDING, newTransactionId(nodeCrypto)).toBytes();
    const forged = new StunMessageBuilder('request', Method.BINDING, newTransactionId(nodeCrypto))
      .add(Username, `${lab.callee.agent.localCredentials.ufrag}:${lab.caller.agent.localCredentials.ufrag}`)
      .addMessageIntegrity(nodeCrypto, shortTermKey('not the password of this agent'))
      .addFingerprint(nodeCrypto)
      .toBytes();
    for (const to of external) for (const bytes of [plain, forged]) attacker.send(bytes, to);
    lab.net.clock.advance(100);

    expect(external.length).toBeGreaterThan(200);
    expect(answers).toEqual([]);
    expect(lab.callee.agent.stats().drops.get('wrong-username')).toBeGreaterThan(200);
    expect(lab.callee.agent.stats().drops.get('bad-integrity')).toBeGreaterThan(200);
    expect(lab.callee.extraSocketCount).toBe(256);
    lab.net.clock.advance(10_000);
    expect(lab.callee.extraSocketCount).toBe(0);
  });
});
