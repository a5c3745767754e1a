import type { NatCrypto } from '../../crypto/crypto.port.ts';
import type { CandidateBase, LocalCandidate } from '../../ice/candidate.ts';
import { ProbeBudget } from '../../ice/hard-nat/probe-budget.ts';
import type { NatReport } from '../../ice/remote-network.ts';
import type { AddressFamily, TransportAddress } from '../../net/transport-address.ts';
import type { StunMessage } from '../../stun/message.ts';
import type { Instant } from '../../time/instant.ts';
import type { EndpointSocket } from './endpoint-socket.ts';
import { ExtraSockets, type ExtraSocketOwner } from './extra-sockets.ts';
import type { IcePath } from './ice-path.ts';
import { NetworkSampling } from './network-sampling.ts';

export interface HardNatEvents {
  now(): Instant;
  paths(): Iterable<IcePath>;
  onDatagram(base: CandidateBase, from: TransportAddress, bytes: Uint8Array): void;
  drop(reason: string): void;
  rearm(): void;
}

/** A port of the gateway's is as good as a NAT that lets everybody in. */
const REACHABLE: NatReport = {
  mapping: 'endpoint-independent',
  filtering: 'endpoint-independent',
  portAllocation: 'unknown',
};

/** What an endpoint has for NATs that simple opening does not cross: knowledge of its own one, sockets, a common budget. */
export class HardNatSupport {
  readonly budget = new ProbeBudget();
  readonly #sockets: ReadonlyMap<AddressFamily, EndpointSocket>;
  readonly #extra: ExtraSockets;
  readonly #sampling: NetworkSampling;
  readonly #events: HardNatEvents;
  #isReachable = false;
  #servers: readonly TransportAddress[] = [];

  constructor(sockets: ReadonlyMap<AddressFamily, EndpointSocket>, crypto: NatCrypto, events: HardNatEvents) {
    this.#sockets = sockets;
    this.#events = events;
    this.#extra = new ExtraSockets({
      bindAddress: (family) => sockets.get(family)?.boundAddress.address ?? '0.0.0.0',
      onDatagram: (base, bytes, from) => {
        events.onDatagram(base, from, bytes);
      },
      drop: (reason) => {
        events.drop(reason);
      },
    });
    this.#sampling = new NetworkSampling(crypto, {
      now: () => events.now(),
      sendFromSession: (bytes, to) => sockets.get('ipv4')?.send(bytes, to),
      onReport: () => {
        this.#report();
      },
      drop: (reason) => {
        events.drop(reason);
      },
      rearm: () => {
        events.rearm();
      },
    });
  }

  /** What is known of the NAT in front of the IPv4 socket. */
  get nat(): NatReport | undefined {
    return this.#isReachable ? REACHABLE : this.#sampling.nat;
  }

  /** The gateway lets strangers in at a port of ours: there is nothing to predict, to guess or to give up. */
  setReachable(isReachable: boolean): void {
    if (this.#isReachable === isReachable) return;
    this.#isReachable = isReachable;
    this.#report();
  }

  setServers(servers: readonly TransportAddress[]): void {
    this.#servers = servers.filter(({ family }) => family === 'ipv4');
  }

  /** Finds out anew; the candidates say which addresses are the host's own. */
  start(candidates: readonly LocalCandidate[]): void {
    const session = this.#sockets.get('ipv4')?.boundAddress;
    if (session === undefined) return;
    const localAddresses = candidates
      .filter(({ kind }) => kind === 'host')
      .map(({ address }) => address.address);
    void this.#sampling.start({ servers: this.#servers, session, localAddresses });
  }

  /** For an offer or an answer: with a port that was given just now where ports can be predicted. */
  async fresh(): Promise<NatReport | undefined> {
    return this.#isReachable ? REACHABLE : this.#sampling.fresh();
  }

  openSockets(path: ExtraSocketOwner, bases: readonly CandidateBase[]): void {
    this.#extra.open(bases, path);
  }

  closeSockets(bases: readonly CandidateBase[]): void {
    this.#extra.close(bases);
  }

  samplePort(path: IcePath, sample: number): void {
    this.#sampling.sample((address) => {
      if (address !== undefined) path.portSampled(sample, address);
    });
  }

  /**
   * False: the base is the main socket of its family, or a relay. What an extra socket that is gone had to send is dropped:
   * from another socket it would leave by a mapping that the check does not mean.
   */
  transmit(base: CandidateBase, to: TransportAddress, bytes: Uint8Array): boolean {
    if (this.#extra.send(base, to, bytes)) return true;
    if (base.kind !== 'socket' || this.#sockets.get(base.family)?.base.id === base.id) return false;
    this.#events.drop('socket-gone');
    return true;
  }

  /** An answer at the session socket. False: it was not asked for here. */
  receive(message: StunMessage, from: TransportAddress): boolean {
    return this.#sampling.receive(message, from);
  }

  handleTimeout(now: Instant): void {
    this.#sampling.handleTimeout(now);
  }

  nextTimeoutAt(): Instant | undefined {
    return this.#sampling.nextTimeoutAt();
  }

  async close(): Promise<void> {
    await Promise.all([this.#extra.closeAll(), this.#sampling.close()]);
  }

  #report(): void {
    const { nat } = this;
    if (nat === undefined) return;
    for (const path of this.#events.paths()) path.setLocalNat(nat);
  }
}
