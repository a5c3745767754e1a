import { nodeCrypto } from '../node/node-crypto.ts';
import { transportAddress } from '../net/ip-address.ts';
import type { TransportAddress } from '../net/transport-address.ts';
import { StunMessageBuilder } from '../stun/message-builder.ts';
import { Method } from '../stun/message-type.ts';
import {
  addressOfSocket,
  type StunServerAddresses,
  type StunServerSocket,
} from '../stun/server-addresses.ts';
import { StunServer } from '../stun/stun-server.ts';
import type { NatBoxOptions } from '../testing/nat-box.ts';
import { seededCrypto } from '../testing/seeded-crypto.ts';
import type { Segment } from '../testing/segment.ts';
import type { VirtualSocket } from '../testing/virtual-host.ts';
import { VirtualNetwork } from '../testing/virtual-network.ts';
import { instant } from '../time/instant.ts';
import { NatDiscovery, type NatDiscoveryOutput } from './nat-discovery.ts';
import type { NatBehaviourReport } from './behaviour-report.ts';

const SOCKETS: readonly StunServerSocket[] = [
  'primary',
  'alternate-port',
  'alternate-address',
  'alternate-address-and-port',
];
const TWO_ADDRESSES: StunServerAddresses = {
  primary: transportAddress('198.51.100.1', 3478),
  alternateAddress: '198.51.100.2',
  alternatePort: 3479,
};
const ONE_ADDRESS: StunServerAddresses = {
  primary: transportAddress('198.51.100.1', 3478),
  alternatePort: 3479,
};
const PLAIN: StunServerAddresses = { primary: transportAddress('198.51.100.1', 3478) };
const SECOND_PLAIN: StunServerAddresses = { primary: transportAddress('198.51.100.9', 3478) };

const EI = 'endpoint-independent';
const AD = 'address-dependent';
const APD = 'address-and-port-dependent';

function addServer(network: VirtualNetwork, addresses: StunServerAddresses, latencyMs: number): void {
  const server = new StunServer({ crypto: nodeCrypto, addresses });
  const hosts = [addresses.primary.address, addresses.alternateAddress].flatMap((address) => address ?? []);
  const host = network.addHost({ addresses: hosts as [string], link: { latencyMs } });
  const sockets = new Map<StunServerSocket, VirtualSocket>();
  for (const name of SOCKETS) {
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

/** Runs a whole discovery in the virtual network. */
function discover(
  network: VirtualNetwork,
  segment: Segment,
  servers: readonly TransportAddress[],
  clientAddress = '10.0.0.2',
): { report: NatBehaviourReport; tookMs: number } {
  const host = network.addHost({ addresses: [clientAddress] }, segment);
  const sockets = { mapping: host.bind(clientAddress, 5000), filtering: host.bind(clientAddress, 5001) };
  const core = new NatDiscovery({
    crypto: seededCrypto(3, nodeCrypto),
    servers,
    localAddresses: [clientAddress],
    localPorts: { mapping: 5000, filtering: 5001 },
  });
  const { clock } = network;
  const perform = (outputs: readonly NatDiscoveryOutput[]): void => {
    for (const output of outputs) {
      if (output.kind === 'send') sockets[output.socket].send(output.bytes, output.to);
    }
    timer.armAt(core.nextTimeoutAt());
  };
  const timer = clock.timer((now) => {
    perform(core.handleTimeout(now));
  });
  for (const socket of ['mapping', 'filtering'] as const) {
    sockets[socket].onDatagram((bytes, from, now) => {
      perform(core.handle({ kind: 'datagram', socket, from, bytes }, now));
    });
  }
  const startedAt = clock.now;
  perform(core.handle({ kind: 'start' }, startedAt));
  clock.advanceUntil(() => core.report !== undefined, 60_000);
  if (core.report === undefined) throw new TypeError('the discovery did not finish');
  return { report: core.report, tookMs: clock.now - startedAt };
}

function discoverBehind(nat: Partial<NatBoxOptions>, ...servers: readonly StunServerAddresses[]) {
  const network = new VirtualNetwork();
  for (const server of servers) addServer(network, server, 10);
  const box = network.addNat({ externalAddresses: ['203.0.113.1'], ...nat });
  return discover(
    network,
    box.inside,
    servers.map(({ primary }) => primary),
  );
}

describe('NatDiscovery › mapping x filtering with two server addresses (RFC 5780 section 4)', () => {
  const behaviours = [EI, AD, APD] as const;
  const matrix = behaviours.flatMap((mapping) =>
    behaviours.map((filtering) => [mapping, filtering] as const),
  );

  it.each(matrix)('finds %s mapping with %s filtering', (mapping, filtering) => {
    const { report } = discoverBehind({ mapping, filtering, allocation: 'random' }, TWO_ADDRESSES);

    expect(report).toMatchObject({ udp: 'works', isTranslated: true, roundTripMs: 20 });
    expect([report.mapping.behaviour, report.filtering.behaviour]).toEqual([mapping, filtering]);
    expect(report.reflexiveAddress?.address).toBe('203.0.113.1');
  });

  it('survives loss', () => {
    const network = new VirtualNetwork({ seed: 5 });
    addServer(network, TWO_ADDRESSES, 10);
    const nat = network.addNat({
      externalAddresses: ['203.0.113.1'],
      mapping: AD,
      filtering: EI,
      allocation: 'random',
      link: { lossRate: 0.15 },
    });

    const { report } = discover(network, nat.inside, [TWO_ADDRESSES.primary]);

    expect([report.mapping.behaviour, report.filtering.behaviour]).toEqual([AD, EI]);
  });
});

describe('NatDiscovery › port allocation', () => {
  it.each([
    ['preserving', EI, { kind: 'preserving' }],
    [{ sequentialStep: 1 }, APD, { kind: 'sequential', step: 1 }],
    [{ sequentialStep: 2 }, APD, { kind: 'sequential', step: 2 }],
    ['random', APD, { kind: 'random' }],
    ['random', EI, { kind: 'unknown' }],
  ] as const)('%j with %s mapping', (allocation, mapping, expected) => {
    const { report } = discoverBehind({ mapping, allocation }, TWO_ADDRESSES);

    expect(report.mapping.allocation).toEqual(expected);
  });
});

describe('NatDiscovery › hairpinning (RFC 5780 section 4.5)', () => {
  it.each([
    [true, 'supported'],
    [false, 'unsupported'],
  ] as const)('%p: %s', (hairpinning, expected) => {
    expect(discoverBehind({ hairpinning }, TWO_ADDRESSES).report.hairpinning).toBe(expected);
  });
});

describe('NatDiscovery › with less than two server addresses', () => {
  it('an alternate port tells dependence on the port, and leaves the rest unknown', () => {
    const independent = discoverBehind({ mapping: EI, filtering: EI }, ONE_ADDRESS).report;
    const dependent = discoverBehind({ mapping: APD, filtering: APD }, ONE_ADDRESS).report;

    expect(independent.mapping).toMatchObject({
      behaviour: 'unknown',
      dependsOnAddress: 'unknown',
      dependsOnPort: false,
    });
    expect(independent.filtering).toEqual({ behaviour: 'unknown', dependsOnPort: false });
    expect(dependent.mapping).toMatchObject({ behaviour: APD, dependsOnPort: true });
    expect(dependent.filtering).toEqual({ behaviour: APD, dependsOnPort: true });
  });

  it('a plain server tells the reflexive address only', () => {
    const { report } = discoverBehind({ mapping: APD, allocation: 'random' }, PLAIN);

    expect(report.reflexiveAddress?.address).toBe('203.0.113.1');
    expect(report.mapping).toEqual({
      behaviour: 'unknown',
      dependsOnAddress: 'unknown',
      dependsOnPort: 'unknown',
      allocation: { kind: 'unknown' },
    });
    expect(report.filtering).toEqual({ behaviour: 'unknown', dependsOnPort: 'unknown' });
  });

  it.each([
    [EI, EI],
    [AD, APD],
    [APD, APD],
  ] as const)('two plain servers tell %s mapping as %s', (mapping, expected) => {
    const { report } = discoverBehind({ mapping, allocation: 'random' }, PLAIN, SECOND_PLAIN);

    expect(report.mapping.behaviour).toBe(expected);
  });

  it('a second server with an alternate port completes the picture', () => {
    const { report } = discoverBehind({ mapping: AD, allocation: 'random' }, SECOND_PLAIN, ONE_ADDRESS);

    expect(report.mapping).toMatchObject({ behaviour: AD, dependsOnAddress: true, dependsOnPort: false });
  });
});

describe('NatDiscovery › without a NAT, without UDP', () => {
  it('finds that nothing translates', () => {
    const network = new VirtualNetwork();
    addServer(network, TWO_ADDRESSES, 10);

    const { report } = discover(network, network.internet, [TWO_ADDRESSES.primary], '203.0.113.50');

    expect(report).toMatchObject({
      isTranslated: false,
      reflexiveAddress: { address: '203.0.113.50', port: 5000 },
      hairpinning: 'unknown',
    });
    expect([report.mapping.behaviour, report.filtering.behaviour]).toEqual([EI, EI]);
  });

  it('sees a stateful IPv6 firewall: no translation, but filtering', () => {
    const addresses: StunServerAddresses = {
      primary: transportAddress('2001:db8:ffff::1', 3478),
      alternateAddress: '2001:db8:ffff::2',
      alternatePort: 3479,
    };
    const network = new VirtualNetwork();
    addServer(network, addresses, 10);
    const box = network.addNat({ externalAddresses: [] });

    const { report } = discover(network, box.inside, [addresses.primary], '2001:db8:1::2');

    expect(report.isTranslated).toBe(false);
    expect([report.mapping.behaviour, report.filtering.behaviour]).toEqual([EI, APD]);
  });

  it('reports blocked UDP after the last retransmission, not earlier and not later', () => {
    const { report, tookMs } = discoverBehind({ udpBlocked: true }, TWO_ADDRESSES);

    expect(report.udp).toBe('blocked');
    expect(report.reflexiveAddress).toBeUndefined();
    expect(tookMs).toBe(2200);
  });

  it('goes on with the servers that answer', () => {
    const network = new VirtualNetwork();
    addServer(network, TWO_ADDRESSES, 10);
    const nat = network.addNat({ externalAddresses: ['203.0.113.1'] });

    const { report } = discover(network, nat.inside, [
      transportAddress('198.51.100.77', 3478),
      TWO_ADDRESSES.primary,
    ]);

    expect([report.mapping.behaviour, report.filtering.behaviour]).toEqual([EI, APD]);
  });
});

describe('NatDiscovery › hostile datagrams', () => {
  const server = PLAIN.primary;
  const start = (): { core: NatDiscovery; request: Uint8Array } => {
    const core = new NatDiscovery({
      crypto: nodeCrypto,
      servers: [server],
      localAddresses: [],
      localPorts: { mapping: 5000, filtering: 5001 },
    });
    const [output] = core.handle({ kind: 'start' }, instant(0));
    if (output?.kind !== 'send') throw new TypeError('nothing sent');
    return { core, request: output.bytes };
  };

  it.each([
    ['rubbish', server, () => new Uint8Array(7), 'too-short'],
    ['its own request', server, (request: Uint8Array) => request, 'unexpected-class'],
    [
      'a response from elsewhere',
      transportAddress('198.51.100.66', 3478),
      (request: Uint8Array) =>
        new StunMessageBuilder('success', Method.BINDING, request.subarray(8, 20)).toBytes(),
      'unexpected-source',
    ],
    [
      'a response with another id',
      server,
      () => new StunMessageBuilder('success', Method.BINDING, new Uint8Array(12)).toBytes(),
      'unknown-transaction',
    ],
  ] as const)('counts %s as a drop and goes on', (_, from, bytes, reason) => {
    const { core, request } = start();

    const outputs = core.handle(
      { kind: 'datagram', socket: 'mapping', from, bytes: bytes(request) },
      instant(1),
    );

    expect(outputs).toEqual([{ kind: 'drop', reason }]);
    expect(core.report).toBeUndefined();
    expect(core.nextTimeoutAt()).toBe(200);
  });

  it('takes an error response, or one without an address, for no answer', () => {
    const { core, request } = start();
    const empty = new StunMessageBuilder('success', Method.BINDING, request.subarray(8, 20)).toBytes();

    const outputs = core.handle(
      { kind: 'datagram', socket: 'mapping', from: server, bytes: empty },
      instant(1),
    );

    expect(outputs).toMatchObject([{ kind: 'finished', report: { udp: 'blocked' } }]);
    expect(core.nextTimeoutAt()).toBeUndefined();
  });
});
