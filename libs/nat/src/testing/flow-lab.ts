import type { NatCrypto } from '../crypto/crypto.port.ts';
import { encodeRelayData, FlowFrameType, RELAY_HEADER_BYTES } from '../flow/flow-frame.ts';
import {
  FlowRegistration,
  type FlowCredentials,
  type FlowRegistrationInput,
  type FlowRegistrationOutput,
} from '../flow/flow-registration.ts';
import type {
  FlowServerEvent,
  FlowServerInput,
  FlowServerOptions,
  FlowServerOutput,
  FlowServerStats,
} from '../flow/flow-server-types.ts';
import { FlowServer } from '../flow/flow-server.ts';
import { transportAddress } from '../net/ip-address.ts';
import type { LinkOptions } from './link.ts';
import { NatBox, type NatBoxOptions } from './nat-box.ts';
import { seededCrypto } from './seeded-crypto.ts';
import type { Segment } from './segment.ts';
import type { VirtualHost, VirtualSocket } from './virtual-host.ts';
import { VirtualNetwork } from './virtual-network.ts';

export const FLOW_SERVER = transportAddress('198.51.100.1', 3478);
export const RELAY_ID = Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8]);

export interface FlowLabOptions {
  /** The real thing behind the seeded randomness. */
  readonly crypto: NatCrypto;
  readonly server?: Partial<FlowServerOptions>;
  /** Alice's line. @default 10 ms one way */
  readonly link?: LinkOptions;
  readonly nat?: Partial<NatBoxOptions>;
}

/** A server of registered flows, Alice behind a NAT and Bob in the open. */
export class FlowLab {
  readonly net = new VirtualNetwork({ seed: 3 });
  readonly crypto: NatCrypto;
  readonly server: LabFlowServer;
  readonly box: NatBox;
  readonly alice: LabFlowClient;
  readonly bob: LabFlowClient;

  constructor({ crypto, server, link, nat }: FlowLabOptions) {
    this.crypto = seededCrypto(7, crypto);
    this.server = new LabFlowServer(this, server);
    this.box = this.net.addNat({ externalAddresses: ['203.0.113.1'], ...nat });
    this.alice = new LabFlowClient(this, 'alice', '10.0.0.2', this.box.inside, link);
    this.bob = new LabFlowClient(this, 'bob', '203.0.113.9', this.net.internet);
  }

  credentialsOf(name: string): FlowCredentials {
    const bytes = (text: string): Uint8Array => this.crypto.sha256(new TextEncoder().encode(text));
    return { flowId: bytes(name).subarray(0, 8), key: bytes(`${name} key`) };
  }

  /** Both clients are admitted and registered. */
  registerBoth(): this {
    this.server.admit('alice', 'bob');
    for (const client of [this.alice, this.bob]) client.input({ kind: 'start' });
    this.net.clock.advance(200);
    return this;
  }
}

class LabFlowServer {
  readonly core: FlowServer;
  readonly events: FlowServerEvent[] = [];
  /** Bytes of control frames: what it sends against what it gets. */
  readonly control = { in: 0, out: 0 };
  readonly #lab: FlowLab;
  readonly #socket: VirtualSocket;

  constructor(lab: FlowLab, options: Partial<FlowServerOptions> = {}) {
    this.#lab = lab;
    this.core = new FlowServer({ crypto: lab.crypto, ...options });
    const host = lab.net.addHost({ addresses: [FLOW_SERVER.address], link: { latencyMs: 10 } });
    this.#socket = host.bind(FLOW_SERVER.address, FLOW_SERVER.port);
    this.#socket.onDatagram((bytes, from, now) => {
      if (bytes[0] === FlowFrameType.DATA) {
        const to = this.core.forward(bytes, from.address, from.port, now);
        if (to !== undefined) this.#socket.send(bytes, to.client);
        return;
      }
      this.control.in += bytes.length;
      this.input({ kind: 'datagram', tuple: { client: from, server: FLOW_SERVER, protocol: 'udp' }, bytes });
    });
  }

  get stats(): FlowServerStats {
    return this.core.stats();
  }

  input(input: FlowServerInput): void {
    this.#perform(this.core.handle(input, this.#lab.net.clock.now));
  }

  admit(...owners: string[]): void {
    for (const owner of owners) this.input({ kind: 'open-flow', owner, ...this.#lab.credentialsOf(owner) });
  }

  pair(...owners: [string, string]): void {
    this.input({ kind: 'open-relay-pair', relayId: RELAY_ID, owners });
  }

  #perform(outputs: readonly FlowServerOutput[]): void {
    for (const output of outputs) {
      if (output.kind === 'event') this.events.push(output.event);
      if (output.kind !== 'send') continue;
      this.control.out += output.bytes.length;
      this.#socket.send(output.bytes, output.to.client);
    }
    const { clock } = this.#lab.net;
    const at = this.core.nextTimeoutAt();
    if (at === undefined) return;
    clock.schedule(at - clock.now, () => {
      this.#perform(this.core.handleTimeout(clock.now));
    });
  }
}

class LabFlowClient {
  readonly outputs: FlowRegistrationOutput[] = [];
  /** Relayed texts. */
  readonly received: string[] = [];
  readonly core: FlowRegistration;
  readonly host: VirtualHost;
  readonly #lab: FlowLab;
  #socket: VirtualSocket;

  constructor(lab: FlowLab, name: string, address: string, segment: Segment, link?: LinkOptions) {
    this.#lab = lab;
    this.core = new FlowRegistration({ crypto: lab.crypto, lane: 0, ...lab.credentialsOf(name) });
    this.host = lab.net.addHost({ addresses: [address], link: link ?? { latencyMs: 10 } }, segment);
    this.#socket = this.#open(address, 5000);
  }

  input(input: FlowRegistrationInput): void {
    this.#perform(this.core.handle(input, this.#lab.net.clock.now));
  }

  data(text: string, relayId: Uint8Array = RELAY_ID): void {
    this.#socket.send(encodeRelayData(relayId, new TextEncoder().encode(text)), FLOW_SERVER);
  }

  /** Into another network with the socket that it has. */
  roam(segment: Segment, address: string): void {
    const { port } = this.#socket.localAddress;
    this.#socket.close();
    this.host.moveTo(segment, [address]);
    this.#socket = this.#open(address, port);
  }

  #open(address: string, port: number): VirtualSocket {
    const socket = this.host.bind(address, port);
    socket.onDatagram((bytes) => {
      if (bytes[0] === FlowFrameType.DATA)
        this.received.push(new TextDecoder().decode(bytes.subarray(RELAY_HEADER_BYTES)));
      else this.input({ kind: 'datagram', bytes });
    });
    return socket;
  }

  #perform(outputs: readonly FlowRegistrationOutput[]): void {
    this.outputs.push(...outputs);
    for (const output of outputs) if (output.kind === 'send') this.#socket.send(output.bytes, FLOW_SERVER);
    const { clock } = this.#lab.net;
    const at = this.core.nextTimeoutAt();
    if (at === undefined) return;
    clock.schedule(at - clock.now, () => {
      this.#perform(this.core.handleTimeout(clock.now));
    });
  }
}
