import { nodeCrypto } from '../node/node-crypto.ts';
import type { NatBoxOptions } from '../testing/nat-box.ts';
import { seededCrypto } from '../testing/seeded-crypto.ts';
import { VirtualIcePeer, type VirtualIcePeerOptions } from '../testing/virtual-ice-peer.ts';
import { VirtualNetwork } from '../testing/virtual-network.ts';
import { VirtualRelay } from '../testing/virtual-relay.ts';

interface World {
  readonly net: VirtualNetwork;
  readonly relay: VirtualRelay;
  readonly caller: VirtualIcePeer;
  readonly callee: VirtualIcePeer;
}

type PeerOverrides = Partial<VirtualIcePeerOptions>;

function world(
  natA: Partial<NatBoxOptions>,
  natB: Partial<NatBoxOptions>,
  overrides: { seed?: number; lossRate?: number; caller?: PeerOverrides; callee?: PeerOverrides } = {},
): World {
  const net = new VirtualNetwork({ seed: overrides.seed ?? 1 });
  const link = { latencyMs: 5, lossRate: overrides.lossRate ?? 0 };
  const relay = new VirtualRelay(net.addHost({ addresses: ['198.51.100.1'], link: { latencyMs: 5 } }));
  const boxA = net.addNat({ externalAddresses: ['203.0.113.1'], ...natA });
  const boxB = net.addNat({ externalAddresses: ['203.0.113.2'], ...natB });
  const common = { clock: net.clock, relay };
  const caller = new VirtualIcePeer({
    ...common,
    host: net.addHost({ addresses: ['10.0.0.2'], link }, boxA.inside),
    role: 'controlling',
    crypto: seededCrypto(11, nodeCrypto),
    ...overrides.caller,
  });
  const callee = new VirtualIcePeer({
    ...common,
    host: net.addHost({ addresses: ['10.0.1.2'], link }, boxB.inside),
    role: 'controlled',
    crypto: seededCrypto(22, nodeCrypto),
    ...overrides.callee,
  });
  return { net, relay, caller, callee };
}

function gatherAndConnect({ net, caller, callee }: World): void {
  caller.gather();
  callee.gather();
  net.clock.advanceUntil(() => caller.isComplete && callee.isComplete, 5000);
  caller.signalTo(callee, 20);
  net.clock.advance(20);
  callee.signalTo(caller, 20);
}

describe('IceAgent › relayed first, then direct', () => {
  it('carries data over the relay at once and moves both sides to the direct path', () => {
    const lab = world({}, {});
    gatherAndConnect(lab);
    lab.net.clock.advance(20);

    expect(lab.caller.path).toMatchObject({ kind: 'relayed', provisional: true });
    expect(lab.caller.send('first')).toBe(true);

    lab.net.clock.advanceUntil(
      () => lab.caller.path?.kind === 'direct' && lab.callee.path?.kind === 'direct',
      2000,
    );

    expect(lab.callee.received).toEqual(['first']);
    expect(lab.caller.path).toMatchObject({ kind: 'direct', provisional: false });
    expect(lab.callee.path).toMatchObject({ kind: 'direct', provisional: false });
    expect(lab.caller.paths.map(({ kind, provisional, atMs }) => ({ kind, provisional, atMs }))).toEqual([
      { kind: 'relayed', provisional: true, atMs: 60 },
      { kind: 'relayed', provisional: false, atMs: 100 },
      { kind: 'direct', provisional: false, atMs: 100 },
    ]);
  });
});
