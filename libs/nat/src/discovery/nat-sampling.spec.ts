import { transportAddress } from '../net/ip-address.ts';
import type { NatReport } from '../ice/remote-network.ts';
import type { TransportAddress } from '../net/transport-address.ts';
import { nodeCrypto } from '../node/node-crypto.ts';
import { decodeStunMessage } from '../stun/message.ts';
import {
  addressOfSocket,
  type StunServerAddresses,
  type StunServerSocket,
} from '../stun/server-addresses.ts';
import { StunServer } from '../stun/stun-server.ts';
import type { NatBoxOptions } from '../testing/nat-box.ts';
import type { VirtualSocket } from '../testing/virtual-host.ts';
import { VirtualNetwork } from '../testing/virtual-network.ts';
import {
  NatSampling,
  type NatSamplingInput,
  type NatSamplingOutput,
  type SamplingSocket,
} from './nat-sampling.ts';

const EI = 'endpoint-independent';
const AD = 'address-dependent';
const APD = 'address-and-port-dependent';
const SERVER = transportAddress('198.51.100.1', 3478);
const OTHER_SERVER = transportAddress('198.51.100.9', 3478);

function addServer(network: VirtualNetwork, addresses: StunServerAddresses): void {
  const server = new StunServer({ crypto: nodeCrypto, addresses });
  const host = network.addHost({ addresses: [addresses.primary.address], link: { latencyMs: 10 } });
  const sockets = new Map<StunServerSocket, VirtualSocket>();
  for (const name of ['primary', 'alternate-port'] as const) {
    const address = addressOfSocket(addresses, name);
    if (address === undefined) continue;
    const socket = host.bind(address.address, address.port);
    sockets.set(name, socket);
    socket.onDatagram((bytes, from, now) => {
      for (const output of server.handle({ kind: 'datagram', bytes, from, socket: name }, now)) {
        if (output.kind === 'send') sockets.get(output.socket)?.send(output.bytes, output.to);
      }
    });
  }
}

class World {
  readonly network = new VirtualNetwork({ seed: 7 });
  readonly core = new NatSampling(nodeCrypto);
  readonly reports: NatReport[] = [];
  readonly sampled: (number | undefined)[] = [];
  readonly destinations = new Set<string>();
  readonly sockets = new Map<SamplingSocket, VirtualSocket>();
  private readonly timer = this.network.clock.timer((now) => {
    this.perform(this.core.handleTimeout(now));
  });
  private readonly host;

  constructor(nat: Partial<NatBoxOptions> | undefined, noisePerSecond = 0) {
    const box = nat && this.network.addNat({ externalAddresses: ['203.0.113.1'], ...nat });
    this.host = this.network.addHost(
      { addresses: [box ? '10.0.0.2' : '203.0.113.5'], link: { latencyMs: 5 } },
      box?.inside,
    );
    this.socket('session');
    if (noisePerSecond === 0 || !box) return;
    const neighbour = this.network.addHost({ addresses: ['10.0.0.3'] }, box.inside);
    for (let at = 0; at < 5000; at += 1000 / noisePerSecond)
      this.network.clock.schedule(at, () => {
        neighbour.bind().send(new Uint8Array(1), transportAddress('198.51.100.77', 9));
      });
  }

  start(
    servers: readonly TransportAddress[],
    isEnough = (): boolean => this.core.isComplete,
  ): NatReport | undefined {
    const sessionPort = this.socket('session').localAddress.port;
    this.input({ kind: 'start', servers, sessionPort, localAddresses: this.host.addresses });
    this.network.clock.advanceUntil(isEnough, 10_000);
    return this.reports.at(-1);
  }

  input(input: NatSamplingInput): void {
    this.perform(this.core.handle(input, this.network.clock.now));
  }

  private perform(outputs: readonly NatSamplingOutput[]): void {
    for (const output of outputs) {
      if (output.kind === 'send') {
        this.destinations.add(output.to.address);
        this.socket(output.socket).send(output.bytes, output.to);
      } else if (output.kind === 'close-socket') {
        this.sockets.get(output.socket)?.close();
        this.sockets.delete(output.socket);
      } else if (output.kind === 'report') this.reports.push(output.nat);
      else this.sampled.push(output.address?.port);
    }
    this.timer.armAt(this.core.nextTimeoutAt());
  }

  private socket(name: SamplingSocket): VirtualSocket {
    const known = this.sockets.get(name);
    if (known !== undefined) return known;
    const socket = this.host.bind();
    this.sockets.set(name, socket);
    socket.onDatagram((bytes, from) => {
      const decoded = decodeStunMessage(bytes);
      if (decoded.ok)
        this.input({ kind: 'response', message: decoded.message, from, localPort: socket.localAddress.port });
    });
    return socket;
  }
}

function sample(
  nat: Partial<NatBoxOptions> | undefined,
  { noise = 0, hasOther = true, two = false } = {},
): World {
  const world = new World(nat, noise);
  addServer(world.network, { primary: SERVER, ...(hasOther ? { alternatePort: 3479 } : {}) });
  addServer(world.network, { primary: OTHER_SERVER });
  world.start(two ? [SERVER, OTHER_SERVER] : [SERVER]);
  return world;
}

const SEQUENTIAL = { mapping: APD, filtering: APD, allocation: { sequentialStep: 7 } } as const;

describe('NatSampling', () => {
  it.each<[string, Partial<NatBoxOptions> | undefined, boolean, Partial<NatReport>]>([
    ['no NAT', undefined, false, { mapping: 'none', filtering: AD, portAllocation: 'preserving' }],
    [
      'a stable mapping, one server: its dependence on addresses stays unknown',
      { mapping: EI, filtering: APD },
      false,
      { mapping: 'unknown', dependsOnPort: false, filtering: APD, portAllocation: 'preserving' },
    ],
    [
      'a stable mapping, two servers',
      { mapping: EI, filtering: EI, allocation: 'random' },
      true,
      { mapping: EI, dependsOnPort: false, filtering: AD, portAllocation: 'unknown' },
    ],
    [
      'a mapping that follows the address, two servers',
      { mapping: AD, filtering: AD, allocation: 'random' },
      true,
      { mapping: AD, dependsOnPort: false, filtering: AD, portAllocation: 'random' },
    ],
    [
      'random ports',
      { mapping: APD, filtering: APD, allocation: 'random' },
      false,
      { mapping: APD, portAllocation: 'random' },
    ],
    [
      'steps of seven',
      SEQUENTIAL,
      false,
      { mapping: APD, filtering: APD, portAllocation: 'sequential', portStep: 7 },
    ],
    [
      'UDP blocked',
      { udpBlocked: true },
      false,
      { mapping: 'unknown', filtering: 'unknown', portAllocation: 'unknown' },
    ],
  ])('%s', (_name, nat, two, expected) => {
    const world = sample(nat, { two });

    expect(world.core.nat).toMatchObject(expected);
    expect([...world.sockets.keys()]).toEqual(['session']);
  });

  it('steps are found beside a neighbour that makes 50 mappings a second', () => {
    for (const sequentialStep of [1, 2, 7]) {
      const { core } = sample({ ...SEQUENTIAL, allocation: { sequentialStep } }, { noise: 50 });

      expect(core.nat).toMatchObject({ portAllocation: 'sequential', portStep: sequentialStep });
    }
  });

  it('a server without a second port leaves mapping and filtering unknown', () => {
    const { core } = sample(SEQUENTIAL, { hasOther: false });

    expect(core.nat).toEqual({ mapping: 'unknown', filtering: 'unknown', portAllocation: 'unknown' });
  });

  it('a sample is the port of a new mapping, and the report knows it', () => {
    const world = sample(SEQUENTIAL);
    const before = world.core.nat?.latestPort ?? 0;

    world.input({ kind: 'sample', sample: 1 });
    world.network.clock.advance(100);

    expect(world.sampled).toEqual([before + 7]);
    expect(world.core.nat?.latestPort).toBe(before + 7);
    expect([...world.sockets.keys()]).toEqual(['session']);
  });

  it('a sample that is taken while the filter is tested stays the latest port', () => {
    const world = new World(SEQUENTIAL);
    addServer(world.network, { primary: SERVER, alternatePort: 3479 });
    world.start([SERVER], () => world.core.nat?.portAllocation === 'sequential');

    world.input({ kind: 'sample', sample: 1 });
    world.network.clock.advanceUntil(() => world.core.isComplete, 10_000);

    expect(world.sampled[0]).toBeDefined();
    expect(world.reports.at(-1)?.latestPort).toBe(world.sampled[0]);
  });

  it('a sample that nobody answers ends as unknown', () => {
    const world = new World({ udpBlocked: true });
    world.start([SERVER]);

    world.input({ kind: 'sample', sample: 1 });
    world.network.clock.advance(5000);

    expect(world.sampled).toEqual([undefined]);
  });

  it('sends to the servers that were named only', () => {
    expect([...sample(SEQUENTIAL, { two: true }).destinations]).toEqual([
      SERVER.address,
      OTHER_SERVER.address,
    ]);
  });
});
