import type { NatCrypto } from '../crypto/crypto.port.ts';
import { NatBox, type NatBoxOptions } from './nat-box.ts';
import { seededCrypto } from './seeded-crypto.ts';
import { VirtualIcePeer, type VirtualIcePeerOptions } from './virtual-ice-peer.ts';
import { VirtualNetwork } from './virtual-network.ts';
import { VirtualRelay } from './virtual-relay.ts';

type PeerOptions = Partial<Omit<VirtualIcePeerOptions, 'clock' | 'host' | 'relay'>>;

export interface IceLabOptions {
  /** The real thing behind the seeded randomness. */
  readonly crypto: NatCrypto;
  readonly seed?: number;
  /** One way between a peer and the internet. @default 5 */
  readonly latencyMs?: number;
  readonly lossRate?: number;
  readonly callerNat?: Partial<NatBoxOptions>;
  readonly calleeNat?: Partial<NatBoxOptions>;
  readonly caller?: PeerOptions;
  readonly callee?: PeerOptions;
}

/** A caller and a callee, each behind a NAT of its own, and a relay in the internet. */
export class IceLab {
  readonly net: VirtualNetwork;
  readonly relay: VirtualRelay;
  readonly callerNat: NatBox;
  readonly calleeNat: NatBox;
  readonly caller: VirtualIcePeer;
  readonly callee: VirtualIcePeer;

  constructor(options: IceLabOptions) {
    const { crypto, seed = 1, latencyMs = 5, lossRate = 0 } = options;
    this.net = new VirtualNetwork({ seed });
    this.relay = new VirtualRelay(this.net.addHost({ addresses: ['198.51.100.1'], link: { latencyMs } }));
    this.callerNat = this.net.addNat({ externalAddresses: ['203.0.113.1'], ...options.callerNat });
    this.calleeNat = this.net.addNat({ externalAddresses: ['203.0.113.2'], ...options.calleeNat });
    const shared = { clock: this.net.clock, relay: this.relay };
    const link = { latencyMs, lossRate };
    this.caller = new VirtualIcePeer({
      ...shared,
      host: this.net.addHost({ addresses: ['10.0.0.2'], link }, this.callerNat.inside),
      role: 'controlling',
      crypto: seededCrypto(seed * 2 + 1, crypto),
      ...options.caller,
    });
    this.callee = new VirtualIcePeer({
      ...shared,
      host: this.net.addHost({ addresses: ['10.0.1.2'], link }, this.calleeNat.inside),
      role: 'controlled',
      crypto: seededCrypto(seed * 2 + 2, crypto),
      ...options.callee,
    });
  }

  gather(): void {
    this.caller.gather();
    this.callee.gather();
    this.net.clock.advanceUntil(() => this.caller.isComplete && this.callee.isComplete, 10_000);
  }

  /** The offer, and when it has arrived the answer: each takes 20 ms. Checks start with this. */
  signal(): void {
    this.caller.signalTo(this.callee, 20);
    this.net.clock.advance(20);
    this.callee.signalTo(this.caller, 20);
    this.net.clock.advance(20);
  }

  /** Whether both sides got to a direct path within the time. */
  untilDirect(limitMs: number): boolean {
    return this.until(
      () => this.caller.path?.kind === 'direct' && this.callee.path?.kind === 'direct',
      limitMs,
    );
  }

  until(isDone: () => boolean, limitMs: number): boolean {
    return this.net.clock.advanceUntil(isDone, limitMs);
  }

  /** From now on nothing of either side reaches the other but through the relay. */
  cutDirect(): void {
    for (const peer of [this.caller, this.callee])
      peer.isCut = ({ address }) => address !== this.relay.address.address;
  }

  mend(): void {
    for (const peer of [this.caller, this.callee]) peer.isCut = () => false;
  }
}
