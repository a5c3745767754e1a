import { nodeCrypto } from '../node/node-crypto.ts';
import type { NatBoxOptions } from '../testing/nat-box.ts';
import { seededCrypto } from '../testing/seeded-crypto.ts';
import { VirtualIcePeer } from '../testing/virtual-ice-peer.ts';
import { VirtualNetwork } from '../testing/virtual-network.ts';
import { VirtualRelay } from '../testing/virtual-relay.ts';

/** Mapping / filtering of RFC 4787, as in the tables of docs/architecture/ice.md. */
const BEHAVIOURS = {
  'EI/EI': { mapping: 'endpoint-independent', filtering: 'endpoint-independent' },
  'EI/AD': { mapping: 'endpoint-independent', filtering: 'address-dependent' },
  'EI/APD': { mapping: 'endpoint-independent', filtering: 'address-and-port-dependent' },
  'EI/APD moving ports': {
    mapping: 'endpoint-independent',
    filtering: 'address-and-port-dependent',
    allocation: 'random',
  },
  'APD sequential': {
    mapping: 'address-and-port-dependent',
    filtering: 'address-and-port-dependent',
    allocation: { sequentialStep: 1 },
  },
  'APD random': {
    mapping: 'address-and-port-dependent',
    filtering: 'address-and-port-dependent',
    allocation: 'random',
  },
} as const satisfies Record<string, Partial<NatBoxOptions>>;

type Behaviour = keyof typeof BEHAVIOURS;

const NAMES = Object.keys(BEHAVIOURS) as Behaviour[];
const ONE_WAY_MS = 15;

/** What simple simultaneous opening reaches: two stable mappings, or one that a peer with any address may enter. */
function isDirect(a: Behaviour, b: Behaviour): boolean {
  const isStable = (name: Behaviour): boolean => name.startsWith('EI/');
  const admitsOtherPorts = (name: Behaviour): boolean => name === 'EI/EI' || name === 'EI/AD';
  return (isStable(a) && isStable(b)) || admitsOtherPorts(a) || admitsOtherPorts(b);
}

interface Outcome {
  readonly callerPath: string | undefined;
  readonly calleePath: string | undefined;
  readonly upgradeMs: number;
  readonly forwardedAfterUpgrade: number;
  readonly missing: readonly string[];
  readonly checks: number;
}

function connect(a: Partial<NatBoxOptions>, b: Partial<NatBoxOptions>, seed: number, lossRate = 0): Outcome {
  const net = new VirtualNetwork({ seed });
  const relay = new VirtualRelay(net.addHost({ addresses: ['198.51.100.1'], link: { latencyMs: 5 } }));
  const peer = (
    box: Partial<NatBoxOptions>,
    external: string,
    inside: string,
    role: 'controlling' | 'controlled',
  ): VirtualIcePeer => {
    const nat = net.addNat({ externalAddresses: [external], ...box });
    const host = net.addHost(
      { addresses: [inside], link: { latencyMs: ONE_WAY_MS / 2, lossRate } },
      nat.inside,
    );
    return new VirtualIcePeer({
      clock: net.clock,
      relay,
      host,
      role,
      crypto: seededCrypto(seed + inside.length + (role === 'controlling' ? 1 : 2), nodeCrypto),
    });
  };
  const caller = peer(a, '203.0.113.1', '10.0.0.2', 'controlling');
  const callee = peer(b, '203.0.113.2', '10.0.1.2', 'controlled');
  caller.gather();
  callee.gather();
  net.clock.advanceUntil(() => caller.isComplete && callee.isComplete, 10_000);
  caller.signalTo(callee, 20);
  net.clock.advance(20);
  callee.signalTo(caller, 20);
  net.clock.advance(20);
  const startedAt = net.clock.now;
  const sent = streamVoice(net, caller, 3000);
  net.clock.advanceUntil(() => caller.path?.kind === 'direct' && callee.path?.kind === 'direct', 3000);
  const upgradeMs = net.clock.now - startedAt;
  net.clock.advance(3500 - upgradeMs);
  const forwardedBefore = relay.forwarded;
  caller.send('late');
  net.clock.advance(100);
  return {
    callerPath: caller.path?.kind,
    calleePath: callee.path?.kind,
    upgradeMs,
    forwardedAfterUpgrade: relay.forwarded - forwardedBefore,
    missing: sent.filter((frame) => !callee.received.includes(frame)),
    checks: caller.agent.stats().checksSent + callee.agent.stats().checksSent,
  };
}

/** A frame every 20 ms, as a call does, from the first moment on. */
function streamVoice(net: VirtualNetwork, from: VirtualIcePeer, durationMs: number): readonly string[] {
  const frames: string[] = [];
  for (let at = 0; at < durationMs; at += 20) {
    net.clock.schedule(at, () => {
      const frame = `frame ${at}`;
      if (from.send(frame, false)) frames.push(frame);
      else frames.push(`${frame} refused`);
    });
  }
  return frames;
}

describe('IceAgent › mapping × filtering (simple simultaneous opening)', () => {
  for (const [index, a] of NAMES.entries()) {
    for (const b of NAMES.slice(index)) {
      const expected = isDirect(a, b) ? 'direct' : 'relayed';

      it(`${a} × ${b}: ${expected}, no frame lost, in both directions of the call`, () => {
        for (const [from, to] of [
          [a, b],
          [b, a],
        ] as const) {
          const outcome = connect(BEHAVIOURS[from], BEHAVIOURS[to], 7);

          expect(outcome).toMatchObject({ callerPath: expected, calleePath: expected, missing: [] });
          if (expected === 'direct') expect(outcome.upgradeMs).toBeLessThan(500);
        }
      });
    }
  }
});

describe('IceAgent › loss', () => {
  it('20% of the datagrams of either direction lost: direct within 3 seconds in 39 of 40 runs', () => {
    const lossPerLine = 1 - Math.sqrt(0.8); // A datagram crosses the line of either host.

    const outcomes = Array.from({ length: 40 }, (_unused, run) =>
      connect(BEHAVIOURS['EI/APD'], BEHAVIOURS['EI/APD'], run + 100, lossPerLine),
    );

    const paths = outcomes.map(({ callerPath, calleePath }) => `${callerPath} ${calleePath}`);
    // Which one is late depends on the seed: 3 of 400 are.
    expect(paths.filter((path) => path === 'direct direct').length).toBeGreaterThanOrEqual(39);
  });
});

describe('IceAgent › both address families', () => {
  it('takes the IPv6 path through two stateful firewalls where both have one, and IPv4 where one has not', () => {
    const run = (calleeAddresses: readonly [string, ...string[]]): string | undefined => {
      const net = new VirtualNetwork();
      const hard = BEHAVIOURS['APD random'];
      const sides = [
        net.addNat({ externalAddresses: ['203.0.113.1'], ...hard }),
        net.addNat({ externalAddresses: ['203.0.113.2'], filtering: 'endpoint-independent' }),
      ] as const;
      const caller = new VirtualIcePeer({
        clock: net.clock,
        host: net.addHost({ addresses: ['10.0.0.2', '2001:db8:1::2'] }, sides[0].inside),
        role: 'controlling',
        crypto: seededCrypto(1, nodeCrypto),
      });
      const callee = new VirtualIcePeer({
        clock: net.clock,
        host: net.addHost({ addresses: calleeAddresses }, sides[1].inside),
        role: 'controlled',
        crypto: seededCrypto(2, nodeCrypto),
        relay: new VirtualRelay(net.addHost({ addresses: ['198.51.100.1'] })),
        useRelay: false,
      });
      caller.gather();
      callee.gather();
      net.clock.advanceUntil(() => callee.isComplete, 5000);
      caller.signalTo(callee);
      callee.signalTo(caller);
      net.clock.advance(5000);
      return caller.path?.remote.address;
    };

    expect(run(['10.0.1.2', '2001:db8:2::2'])).toBe('2001:db8:2::2');
    expect(run(['10.0.1.2'])).toBe('203.0.113.2');
  });
});
