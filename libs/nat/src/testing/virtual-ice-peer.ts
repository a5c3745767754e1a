/** An ICE agent with its sockets in the virtual network: what a driver is in a real one. */
import { sameTransportAddress, type TransportAddress } from '../net/transport-address.ts';
import type { CandidateBase, IceCandidate, LocalCandidate } from '../ice/candidate.ts';
import { FoundationTable } from '../ice/candidate-foundation.ts';
import { candidatePriority, MAX_LOCAL_PREFERENCE } from '../ice/candidate-priority.ts';
import { IceAgent, type IceAgentOptions } from '../ice/ice-agent.ts';
import type { IceCredentials } from '../ice/ice-credentials.ts';
import type { IceInput, IceOutput, IcePathReport } from '../ice/ice-io.ts';
import type { NatReport, RemoteNetwork } from '../ice/remote-network.ts';
import { looksLikeStun } from '../stun/message.ts';
import type { Segment } from './segment.ts';
import type { VirtualClock, VirtualTimer } from './virtual-clock.ts';
import type { VirtualHost, VirtualSocket } from './virtual-host.ts';
import { decodeRelayFrame, encodeRelayFrame, type VirtualRelay } from './virtual-relay.ts';

export interface VirtualIcePeerOptions extends IceAgentOptions {
  readonly clock: VirtualClock;
  readonly host: VirtualHost;
  readonly relay?: VirtualRelay;
  /** Whether the relayed candidate is offered. @default true */
  readonly useRelay?: boolean;
  /** What is known of the NAT in front; the latest port of a sequential one is sampled when it is told. */
  readonly nat?: NatReport;
  /** What a supernode observed of this peer, which others are told. */
  readonly observedAddresses?: readonly string[];
}

/** What an offer or an answer says. */
interface Half {
  readonly credentials: IceCredentials;
  readonly candidates: readonly IceCandidate[];
  readonly isComplete: boolean;
  readonly network: RemoteNetwork;
  readonly signedAt: number;
}

const ALLOCATE_RETRY_MS = 200;

export class VirtualIcePeer {
  readonly agent: IceAgent;
  readonly outputs: IceOutput[] = [];
  readonly paths: (IcePathReport & { readonly atMs: number })[] = [];
  /** Payloads of the peer in the order of arrival. */
  readonly received: string[] = [];
  /** Datagrams to these destinations get lost on the way out, checks and data alike. */
  isCut: (destination: TransportAddress) => boolean = () => false;
  /** Gets what the agent wants to be signalled, once {@link signalTo} named a peer. */
  private peer: VirtualIcePeer | undefined;
  private signalDelayMs = 0;
  private isGathered = false;
  private readonly gathered: LocalCandidate[] = [];
  private readonly options: VirtualIcePeerOptions;
  private readonly clock: VirtualClock;
  private readonly timer: VirtualTimer;
  private readonly sockets = new Map<string, VirtualSocket>();
  private readonly extra = new Map<string, VirtualSocket>();
  private nat: NatReport | undefined;
  private readonly foundations = new FoundationTable();
  private relayBase: CandidateBase = { id: 'relay', kind: 'relay', family: 'ipv4' };
  private mapped: TransportAddress | undefined;

  constructor(options: VirtualIcePeerOptions) {
    this.options = options;
    this.clock = options.clock;
    this.agent = new IceAgent(options);
    this.timer = this.clock.timer((now) => {
      this.perform(this.agent.handleTimeout(now));
    });
    for (const address of options.host.addresses) this.open(address);
  }

  get path(): IcePathReport | undefined {
    return this.agent.path;
  }

  get isComplete(): boolean {
    return this.isGathered;
  }

  input(input: IceInput): void {
    this.perform(this.agent.handle(input, this.clock.now));
  }

  /** Host candidates at once; reflexive and relayed ones when the relay answered. */
  gather(): void {
    for (const [id, socket] of this.sockets) {
      this.add('host', socket.localAddress, { id, kind: 'socket', family: socket.localAddress.family });
    }
    if (this.options.relay === undefined) this.completeGathering();
    else this.askRelay();
  }

  /** Credentials and candidates so far go to `peer` now, later candidates as they come; each after `delayMs`. */
  signalTo(peer: VirtualIcePeer, delayMs = 0): void {
    this.peer = peer;
    this.signalDelayMs = delayMs;
    const credentials = this.agent.localCredentials;
    const candidates = this.agent.localCandidates();
    const isGathered = this.isGathered;
    this.clock.schedule(delayMs, () => {
      peer.input({ kind: 'remote-credentials', credentials, candidates });
      if (isGathered) peer.input({ kind: 'end-of-candidates' });
    });
  }

  /** The offer, and the peer's answer: each takes `delayMs`, with fresh samples just before. */
  call(callee: VirtualIcePeer, delayMs = 0): void {
    this.refreshNat(() => {
      const offer = this.describe();
      this.clock.schedule(delayMs, () => {
        callee.answer(this, offer, delayMs);
      });
    });
  }

  /** What a client does when predictions came to nothing: both tell of freshly sampled ports. */
  private tellFreshNat(isAnswer = false): void {
    const { peer, signalDelayMs } = this;
    this.refreshNat(() => {
      const { network, signedAt } = this.describe();
      this.clock.schedule(signalDelayMs, () => peer?.heardOfNat(network, signedAt, isAnswer));
    });
  }

  private heardOfNat(network: RemoteNetwork, signedAt: number, isAnswer: boolean): void {
    if (!isAnswer) this.tellFreshNat(true);
    this.input({ kind: 'remote-network', network: { ...network, ageMs: this.clock.now - signedAt } });
  }

  /** Sockets that are open now beside those of the candidates. */
  get extraSocketCount(): number {
    return this.extra.size;
  }

  private answer(caller: VirtualIcePeer, offer: Half, delayMs: number): void {
    this.refreshNat(() => {
      this.begin(caller, offer, delayMs);
      const answer = this.describe();
      this.clock.schedule(delayMs, () => {
        caller.begin(this, answer, delayMs);
      });
    });
  }

  private describe(): Half {
    const { observedAddresses } = this.options;
    return {
      credentials: this.agent.localCredentials,
      candidates: this.agent.localCandidates(),
      isComplete: this.isGathered,
      network: { nat: this.nat, observedAddresses },
      signedAt: this.clock.now,
    };
  }

  private begin(peer: VirtualIcePeer, half: Half, delayMs: number): void {
    const { credentials, candidates, isComplete, signedAt } = half;
    const network = { ...half.network, ageMs: this.clock.now - signedAt };
    this.peer = peer;
    this.signalDelayMs = delayMs;
    this.input({ kind: 'remote-credentials', credentials, candidates, network });
    if (isComplete) this.input({ kind: 'end-of-candidates' });
  }

  private refreshNat(then: () => void): void {
    const { nat } = this.options;
    const know = (report: NatReport | undefined): void => {
      this.nat = report;
      if (report !== undefined) this.input({ kind: 'local-nat', nat: report });
      then();
    };
    if (nat?.portAllocation !== 'sequential') know(nat);
    else
      this.samplePort(({ port }) => {
        know({ ...nat, latestPort: port });
      });
  }

  private samplePort(onMapped: (address: TransportAddress) => void): void {
    const { relay, host } = this.options;
    if (relay === undefined) return;
    const socket = host.bind();
    socket.onDatagram((bytes) => {
      const { mapped } = decodeRelayFrame(bytes).frame;
      socket.close();
      if (mapped !== undefined) onMapped(mapped);
    });
    socket.send(encodeRelayFrame({ op: 'allocate' }), relay.address);
  }

  /** False without a path. */
  send(text: string, expectsAnswer = true): boolean {
    const routes = this.agent.routes(this.clock.now);
    for (const { base, to } of routes) this.transmit(base, to, new TextEncoder().encode(text));
    if (routes.length > 0 && expectsAnswer) this.agent.noteDataSent(this.clock.now);
    this.timer.armAt(this.agent.nextTimeoutAt());
    return routes.length > 0;
  }

  /** Sends to a relayed address of the peer, as a side does that has not moved yet. */
  sendTo(to: TransportAddress, text: string): void {
    this.firstSocket().send(new TextEncoder().encode(text), to);
  }

  /** What was gathered, also what the agent keeps back. */
  knownCandidates(): readonly LocalCandidate[] {
    return this.gathered;
  }

  /** Into another network, with the socket that it had: a wildcard socket survives a change of address. */
  roam(segment: Segment, address: string): void {
    const [[id, socket] = ['', undefined]] = this.sockets;
    const port = socket?.localAddress.port;
    socket?.close();
    this.options.host.moveTo(segment, [address]);
    this.open(address, id, port);
  }

  close(): void {
    this.input({ kind: 'close' });
    for (const socket of [...this.sockets.values(), ...this.extra.values()]) socket.close();
  }

  private open(address: string, id = address, port = 0): void {
    const socket = this.options.host.bind(address, port);
    this.sockets.set(id, socket);
    const base: CandidateBase = { id, kind: 'socket', family: socket.localAddress.family };
    socket.onDatagram((bytes, from) => {
      const { relay } = this.options;
      if (relay !== undefined && sameTransportAddress(from, relay.address)) this.fromRelay(bytes, base);
      else this.arrived(base, from, bytes);
    });
  }

  private fromRelay(bytes: Uint8Array, base: CandidateBase): void {
    const { frame, payload } = decodeRelayFrame(bytes);
    if (frame.address === undefined) return;
    if (frame.op === 'data') {
      this.arrived(this.relayBase, frame.address, payload);
      return;
    }
    if (
      frame.mapped === undefined ||
      (this.mapped !== undefined && sameTransportAddress(this.mapped, frame.mapped))
    )
      return;
    if (this.mapped !== undefined) this.loseRelay();
    this.mapped = frame.mapped;
    this.add('serverReflexive', frame.mapped, base);
    if (this.options.useRelay !== false) this.add('relayed', frame.address, this.relayBase);
    if (!this.isGathered) this.completeGathering();
  }

  /** The relay knows a client by its address: with another one the allocation is out of reach. */
  private loseRelay(): void {
    this.input({ kind: 'base-lost', base: this.relayBase });
    this.relayBase = { ...this.relayBase, id: `${this.relayBase.id}'` };
  }

  private completeGathering(): void {
    this.isGathered = true;
    this.input({ kind: 'gathering-complete' });
    const { peer } = this;
    if (peer !== undefined) {
      this.clock.schedule(this.signalDelayMs, () => {
        peer.input({ kind: 'end-of-candidates' });
      });
    }
  }

  private arrived(base: CandidateBase, from: TransportAddress, bytes: Uint8Array): void {
    if (looksLikeStun(bytes)) {
      this.input({ kind: 'datagram', base, from, bytes });
      return;
    }
    this.received.push(new TextDecoder().decode(bytes));
    if (this.agent.noteDataReceived(base, from, this.clock.now)) this.timer.armAt(this.agent.nextTimeoutAt());
  }

  private add(kind: IceCandidate['kind'], address: TransportAddress, base: CandidateBase): void {
    const candidate: LocalCandidate = {
      kind,
      address,
      base,
      priority: candidatePriority(kind, MAX_LOCAL_PREFERENCE - (address.family === 'ipv4' ? 1 : 0)),
      foundation: this.foundations.of({ kind, baseAddress: base.id }),
    };
    this.gathered.push(candidate);
    this.input({ kind: 'local-candidate', candidate });
  }

  private askRelay(): void {
    const { relay } = this.options;
    if (relay === undefined || this.isGathered || this.agent.state === 'closed') return;
    this.allocate();
    this.clock.schedule(ALLOCATE_RETRY_MS, () => {
      this.askRelay();
    });
  }

  private allocate(): void {
    const { relay } = this.options;
    if (relay !== undefined) this.firstSocket().send(encodeRelayFrame({ op: 'allocate' }), relay.address);
  }

  private firstSocket(): VirtualSocket {
    const [socket] = this.sockets.values();
    return socket as VirtualSocket;
  }

  private transmit(base: CandidateBase, to: TransportAddress, bytes: Uint8Array): void {
    if (this.isCut(to)) return;
    if (base.kind === 'socket') {
      (this.sockets.get(base.id) ?? this.extra.get(base.id))?.send(bytes, to);
    } else if (this.options.relay !== undefined) {
      this.firstSocket().send(
        encodeRelayFrame({ op: 'data', address: to }, bytes),
        this.options.relay.address,
      );
    }
  }

  private perform(outputs: readonly IceOutput[]): void {
    for (const output of outputs) {
      this.outputs.push(output);
      if (output.kind === 'send') this.transmit(output.base, output.to, output.bytes);
      else if (output.kind === 'path') this.paths.push({ ...output.path, atMs: this.clock.now });
      else if (output.kind === 'permit') this.permit(output.peer);
      else if (output.kind === 'suspect') this.allocate();
      else if (output.kind === 'local-candidate') this.trickle(output.candidate);
      else if (output.kind === 'open-sockets') this.openExtra(output.bases);
      else if (output.kind === 'close-sockets') this.closeExtra(output.bases);
      else if (output.kind === 'sample-port') this.sampleFor(output.sample);
      else if (output.kind === 'ports-used-up') this.tellFreshNat();
    }
    this.timer.armAt(this.agent.nextTimeoutAt());
  }

  private openExtra(bases: readonly CandidateBase[]): void {
    for (const base of bases) {
      const socket = this.options.host.bind();
      this.extra.set(base.id, socket);
      socket.onDatagram((bytes, from) => {
        this.arrived(base, from, bytes);
      });
    }
  }

  private closeExtra(bases: readonly CandidateBase[]): void {
    for (const { id } of bases) {
      this.extra.get(id)?.close();
      this.extra.delete(id);
    }
  }

  private sampleFor(sample: number): void {
    this.samplePort((address) => {
      this.input({ kind: 'port-sample', sample, address });
    });
  }

  /** Repeated, because the loss of a permission is not the subject here. */
  private permit(peer: TransportAddress): void {
    const { relay } = this.options;
    if (relay === undefined) return;
    const frame = encodeRelayFrame({ op: 'permit', address: peer });
    for (const delayMs of [0, 100, 300]) {
      this.clock.schedule(delayMs, () => {
        this.firstSocket().send(frame, relay.address);
      });
    }
  }

  private trickle(candidate: IceCandidate): void {
    const { peer } = this;
    if (peer === undefined) return;
    this.clock.schedule(this.signalDelayMs, () => {
      peer.input({ kind: 'remote-candidate', candidate });
    });
  }
}
