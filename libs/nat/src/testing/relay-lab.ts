/** Two ICE agents that reach each other through relays only, each relay at a distance of its own. */
import type { NatCrypto } from '../crypto/crypto.port.ts';
import type { CandidateBase } from '../ice/candidate.ts';
import { candidatePriority, MAX_LOCAL_PREFERENCE } from '../ice/candidate-priority.ts';
import { IceAgent } from '../ice/ice-agent.ts';
import type { IceOutput, IcePathReport } from '../ice/ice-io.ts';
import type { IceRole } from '../ice/ice-role.ts';
import { sameTransportAddress } from '../net/transport-address.ts';
import { looksLikeStun } from '../stun/message.ts';
import type { LinkOptions } from './link.ts';
import { seededCrypto } from './seeded-crypto.ts';
import type { VirtualClock, VirtualTimer } from './virtual-clock.ts';
import type { VirtualHost, VirtualSocket } from './virtual-host.ts';
import { VirtualNetwork } from './virtual-network.ts';
import { decodeRelayFrame, encodeRelayFrame, VirtualRelay } from './virtual-relay.ts';

interface Allocation {
  readonly relay: VirtualRelay;
  readonly base: CandidateBase;
}

export class RelayedPeer {
  readonly agent: IceAgent;
  readonly outputs: IceOutput[] = [];
  readonly paths: (IcePathReport & { readonly atMs: number })[] = [];
  readonly received: string[] = [];
  peer: RelayedPeer | undefined;
  private readonly allocations = new Map<VirtualRelay, Allocation>();
  private readonly allocated = new Set<string>();
  private readonly socket: VirtualSocket;
  private readonly timer: VirtualTimer;

  constructor(
    private readonly clock: VirtualClock,
    host: VirtualHost,
    options: { readonly role: IceRole; readonly crypto: NatCrypto },
  ) {
    this.agent = new IceAgent({ ...options, policy: 'relay-only' });
    this.timer = clock.timer((now) => this.perform(this.agent.handleTimeout(now)));
    this.socket = host.bind();
    this.socket.onDatagram((bytes, from) => {
      for (const allocation of this.allocations.values())
        if (sameTransportAddress(from, allocation.relay.address)) this.fromRelay(allocation, bytes);
    });
  }

  /** Asks for an allocation there, which becomes a candidate; the first relay of a peer is its main one. */
  allocate(relay: VirtualRelay): void {
    const base: CandidateBase = { id: `relay-${this.allocations.size}`, kind: 'relay', family: 'ipv4' };
    this.allocations.set(relay, { relay, base });
    this.socket.send(encodeRelayFrame({ op: 'allocate' }), relay.address);
  }

  hear(peer: RelayedPeer): void {
    const candidates = peer.agent.localCandidates();
    const credentials = peer.agent.localCredentials;
    this.perform(this.agent.handle({ kind: 'remote-credentials', credentials, candidates }, this.clock.now));
  }

  send(text: string): boolean {
    const routes = this.agent.routes(this.clock.now);
    for (const { base, to } of routes) this.transmit(base, to, new TextEncoder().encode(text));
    if (routes.length > 0) this.agent.noteDataSent(this.clock.now);
    this.timer.armAt(this.agent.nextTimeoutAt());
    return routes.length > 0;
  }

  private fromRelay({ base }: Allocation, bytes: Uint8Array): void {
    const { frame, payload } = decodeRelayFrame(bytes);
    const { address } = frame;
    if (address === undefined) return;
    const now = this.clock.now;
    if (frame.op === 'allocate') {
      if (this.allocated.has(base.id)) return;
      const localPreference = this.allocated.size === 0 ? MAX_LOCAL_PREFERENCE : 0;
      this.allocated.add(base.id);
      const priority = candidatePriority('relayed', localPreference);
      const candidate = {
        kind: 'relayed',
        address,
        base,
        priority,
        foundation: base.id.replace('-', ''),
      } as const;
      this.perform(this.agent.handle({ kind: 'local-candidate', candidate }, now));
    } else if (looksLikeStun(payload)) {
      this.perform(this.agent.handle({ kind: 'datagram', base, from: address, bytes: payload }, now));
    } else {
      this.received.push(new TextDecoder().decode(payload));
      if (this.agent.noteDataReceived(base, address, now)) this.timer.armAt(this.agent.nextTimeoutAt());
    }
  }

  private transmit(base: CandidateBase, to: Parameters<VirtualSocket['send']>[1], bytes: Uint8Array): void {
    this.through(base, encodeRelayFrame({ op: 'data', address: to }, bytes));
  }

  private through(base: CandidateBase, frame: Uint8Array): void {
    for (const { relay, base: own } of this.allocations.values())
      if (own.id === base.id) this.socket.send(frame, relay.address);
  }

  private perform(outputs: readonly IceOutput[]): void {
    for (const output of outputs) {
      this.outputs.push(output);
      if (output.kind === 'send') this.transmit(output.base, output.to, output.bytes);
      else if (output.kind === 'permit')
        this.through(output.base, encodeRelayFrame({ op: 'permit', address: output.peer }));
      else if (output.kind === 'path') this.paths.push({ ...output.path, atMs: this.clock.now });
      else if (output.kind === 'local-candidate') {
        const { candidate } = output;
        this.clock.schedule(SIGNALLING_MS, () => {
          const peer = this.peer;
          peer?.perform(peer.agent.handle({ kind: 'remote-candidate', candidate }, this.clock.now));
        });
      }
    }
    this.timer.armAt(this.agent.nextTimeoutAt());
  }
}

const SIGNALLING_MS = 20;

export interface RelayLabOptions {
  readonly crypto: NatCrypto;
  readonly seed?: number;
  /** The line of each relay; the first is the main one of both peers. May be changed while the network runs. */
  readonly links: readonly LinkOptions[];
}

export class RelayLab {
  readonly net: VirtualNetwork;
  readonly relays: readonly VirtualRelay[];
  readonly caller: RelayedPeer;
  readonly callee: RelayedPeer;

  constructor({ crypto, seed = 1, links }: RelayLabOptions) {
    this.net = new VirtualNetwork({ seed });
    this.relays = links.map(
      (link, at) => new VirtualRelay(this.net.addHost({ addresses: [`198.51.100.${at + 1}`], link })),
    );
    const open = (address: string, role: IceRole, number: number): RelayedPeer =>
      new RelayedPeer(this.net.clock, this.net.addHost({ addresses: [address], link: { latencyMs: 2 } }), {
        role,
        crypto: seededCrypto(2 * seed + number, crypto),
      });
    this.caller = open('203.0.113.1', 'controlling', 1);
    this.callee = open('203.0.113.2', 'controlled', 2);
    this.caller.peer = this.callee;
    this.callee.peer = this.caller;
  }

  /** Both peers meet at the first relay, and 1.5 s later have allocations at the others. */
  connect(): void {
    const [main, ...others] = this.relays;
    const { caller, callee, net } = this;
    for (const peer of [caller, callee]) if (main !== undefined) peer.allocate(main);
    net.clock.advance(2_000);
    callee.hear(caller);
    caller.hear(callee);
    net.clock.advance(1_500);
    for (const peer of [caller, callee]) for (const relay of others) peer.allocate(relay);
  }

  /** Which relay the path of a peer ends at, on our side and on the peer's, as numbers from 0. */
  relaysOf(peer: RelayedPeer): readonly (number | undefined)[] {
    const numberOf = (address: string | undefined): number | undefined => {
      const at = this.relays.findIndex((relay) => relay.address.address === address);
      return at === -1 ? undefined : at;
    };
    return [numberOf(peer.agent.path?.local.address), numberOf(peer.agent.path?.remote.address)];
  }
}
