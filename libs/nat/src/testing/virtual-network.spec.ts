import { NatError } from '../errors.ts';
import { nodeCrypto } from '../node/node-crypto.ts';
import { transportAddress } from '../net/ip-address.ts';
import { formatTransportAddress, type TransportAddress } from '../net/transport-address.ts';
import type { NatBoxOptions } from './nat-box.ts';
import { seededCrypto } from './seeded-crypto.ts';
import { VirtualNetwork } from './virtual-network.ts';
import type { LinkOptions } from './link.ts';
import type { VirtualSocket } from './virtual-host.ts';

const PAYLOAD = Uint8Array.of(1, 2, 3);

/** A NAT with one host behind it and two servers with two sockets each in front of it. */
function behindNat(options: Partial<NatBoxOptions> = {}) {
  const network = new VirtualNetwork();
  const nat = network.addNat({ externalAddresses: ['203.0.113.1'], ...options });
  const client = network.addHost({ addresses: ['10.0.0.2'] }, nat.inside).bind('10.0.0.2', 5000);
  const serverA = network.addHost({ addresses: ['198.51.100.1'] });
  const serverB = network.addHost({ addresses: ['198.51.100.2'] });
  return {
    network,
    nat,
    client,
    clock: network.clock,
    a1: serverA.bind('198.51.100.1', 3478),
    a2: serverA.bind('198.51.100.1', 3479),
    b1: serverB.bind('198.51.100.2', 3478),
  };
}

function collect(socket: VirtualSocket): string[] {
  const received: string[] = [];
  socket.onDatagram((_, from) => received.push(formatTransportAddress(from)));
  return received;
}

/** The source address that each receiver sees when the client sends to all of them in turn. */
function observedSources(
  network: VirtualNetwork,
  client: VirtualSocket,
  receivers: readonly VirtualSocket[],
): string[] {
  return receivers.map((receiver) => {
    const seen = collect(receiver);
    client.send(PAYLOAD, receiver.localAddress);
    network.clock.advance(0);
    return seen[0] ?? 'nothing';
  });
}

function thrownCode(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    return error instanceof NatError ? error.code : String(error);
  }
  return 'nothing thrown';
}

describe('VirtualNetwork › lines', () => {
  it('delivers a copy of the bytes after the latency of both lines', () => {
    const network = new VirtualNetwork();
    const sender = network.addHost({ addresses: ['198.51.100.1'], link: { latencyMs: 10 } }).bind();
    const receiver = network.addHost({ addresses: ['198.51.100.2'], link: { latencyMs: 15 } }).bind();
    const arrivals: unknown[] = [];
    receiver.onDatagram((bytes, from, now) => arrivals.push({ bytes: [...bytes], from, now }));
    const bytes = Uint8Array.of(7);

    sender.send(bytes, receiver.localAddress);
    bytes[0] = 8;
    network.clock.advance(24);
    expect(arrivals).toEqual([]);
    network.clock.advance(1);

    expect(arrivals).toEqual([{ bytes: [7], from: sender.localAddress, now: 25 }]);
  });

  it('loses, duplicates and reorders as told, the same way for the same seed', () => {
    const link: LinkOptions = {
      latencyMs: 5,
      lossRate: 0.3,
      duplicationRate: 0.2,
      reorderRate: 0.2,
      jitterMs: 1,
    };
    const run = (seed: number): number[] => {
      const network = new VirtualNetwork({ seed });
      const sender = network.addHost({ addresses: ['198.51.100.1'], link }).bind();
      const receiver = network.addHost({ addresses: ['198.51.100.2'] }).bind();
      const order: number[] = [];
      receiver.onDatagram((bytes) => order.push(bytes[0] as number));
      for (let index = 0; index < 200; index += 1) {
        sender.send(Uint8Array.of(index), receiver.localAddress);
        network.clock.advance(1);
      }
      network.clock.advance(100);
      expect(network.droppedFor('lost')).toBe(200 - new Set(order).size);
      return order;
    };

    const order = run(7);

    const distinct = new Set(order).size;
    expect(distinct).toBeGreaterThan(110);
    expect(distinct).toBeLessThan(170);
    expect(order.length).toBeGreaterThan(distinct);
    expect(order).not.toEqual(order.toSorted((a, b) => a - b));
    expect(run(7)).toEqual(order);
    expect(run(8)).not.toEqual(order);
  });

  it('tells observers what happened to each packet', () => {
    const network = new VirtualNetwork();
    const sender = network.addHost({ name: 'alice', addresses: ['198.51.100.1'] }).bind();
    const receiver = network.addHost({ name: 'bob', addresses: ['198.51.100.2'] }).bind();
    const events: string[] = [];
    network.observe((event) =>
      events.push(`${event.kind} ${event.place} ${'reason' in event ? event.reason : ''}`.trim()),
    );

    sender.send(PAYLOAD, receiver.localAddress);
    sender.send(PAYLOAD, transportAddress('198.51.100.2', 1));
    sender.send(PAYLOAD, transportAddress('198.51.100.9', 1));
    network.clock.advance(0);

    expect(events).toEqual([
      'sent alice',
      'sent alice',
      'sent alice',
      'dropped internet no-route',
      'delivered bob',
      'dropped bob no-listener',
    ]);
  });
});

describe('VirtualHost', () => {
  it('refuses a foreign address, a taken port and a closed socket', () => {
    const host = new VirtualNetwork().addHost({ addresses: ['198.51.100.1'] });
    const socket = host.bind('198.51.100.1', 4000);

    expect(thrownCode(() => host.bind('198.51.100.2'))).toBe('NAT_INVALID_ARGUMENT');
    expect(thrownCode(() => host.bind('198.51.100.1', 4000))).toBe('NAT_BIND_FAILED');
    socket.close();
    expect(thrownCode(() => socket.send(PAYLOAD, socket.localAddress))).toBe('NAT_SOCKET_CLOSED');
    expect(host.bind('198.51.100.1', 4000).localAddress.port).toBe(4000);
  });

  it('moves to another network: its old sockets send into nothing, new ones work', () => {
    const { network, nat, client, a1 } = behindNat();
    const seen = collect(a1);
    const roaming = network.addHost({ addresses: ['10.0.0.7'] }, nat.inside);
    const old = roaming.bind();
    const other = network.addNat({ externalAddresses: ['203.0.113.2'] });

    roaming.moveTo(other.inside, ['192.168.1.5']);
    old.send(PAYLOAD, a1.localAddress);
    roaming.bind('192.168.1.5', 6000).send(PAYLOAD, a1.localAddress);
    client.send(PAYLOAD, a1.localAddress);
    network.clock.advance(0);

    expect(seen).toEqual(['203.0.113.2:6000', '203.0.113.1:5000']);
    expect(network.droppedFor('no-route')).toBe(1);
  });
});

describe('NatBox › mapping (RFC 4787 section 4.1)', () => {
  it.each([
    ['endpoint-independent', ['203.0.113.1:20000', '203.0.113.1:20000', '203.0.113.1:20000']],
    ['address-dependent', ['203.0.113.1:20000', '203.0.113.1:20000', '203.0.113.1:20001']],
    ['address-and-port-dependent', ['203.0.113.1:20000', '203.0.113.1:20001', '203.0.113.1:20002']],
  ] as const)('%s', (mapping, expected) => {
    const { network, client, a1, a2, b1 } = behindNat({
      mapping,
      allocation: { sequentialStep: 1 },
      portRange: [20_000, 20_999],
    });

    expect(observedSources(network, client, [a1, a2, b1])).toEqual(expected);
    expect(observedSources(network, client, [a1, a2, b1])).toEqual(expected);
  });
});

describe('NatBox › port allocation (RFC 4787 section 4.2)', () => {
  const mapping = 'address-and-port-dependent';
  const port = (address: string): number => Number(address.split(':')[1]);

  it('preserves the port, and finds another one on a collision', () => {
    const { network, nat, client, a1 } = behindNat({ allocation: 'preserving' });
    const neighbour = network.addHost({ addresses: ['10.0.0.3'] }, nat.inside).bind('10.0.0.3', 5000);

    expect(observedSources(network, client, [a1])).toEqual(['203.0.113.1:5000']);
    expect(observedSources(network, neighbour, [a1])).toEqual(['203.0.113.1:5001']);
  });

  it('counts by its step and wraps at the end of the range', () => {
    const { network, client, a1, a2, b1 } = behindNat({
      mapping,
      allocation: { sequentialStep: 2 },
      portRange: [30_000, 30_003],
    });

    const ports = observedSources(network, client, [a1, a2, b1]).map(port);

    expect(ports).toEqual([30_000, 30_002, 30_001]);
  });

  it('draws random ports from the range', () => {
    const { network, client, a1, a2, b1 } = behindNat({
      mapping,
      allocation: 'random',
      portRange: [40_000, 60_000],
    });

    const ports = observedSources(network, client, [a1, a2, b1]).map(port);

    expect(new Set(ports).size).toBe(3);
    expect(ports.every((value) => value >= 40_000 && value <= 60_000)).toBe(true);
    expect(ports).not.toContain(5000);
  });

  it('drops what gets no port', () => {
    const { network, client, a1, a2, b1 } = behindNat({
      mapping,
      allocation: 'random',
      portRange: [40_000, 40_001],
    });

    const seen = observedSources(network, client, [a1, a2, b1]);

    expect(seen[2]).toBe('nothing');
    expect(network.droppedFor('no-free-port')).toBe(1);
  });

  it('pairs an internal with an external address, or picks any', () => {
    const externalAddresses = ['203.0.113.1', '203.0.113.2', '203.0.113.3', '203.0.113.4'];
    const addresses = (pooling: 'paired' | 'arbitrary'): Set<string> => {
      const { network, client, a1, a2, b1 } = behindNat({ externalAddresses, pooling, mapping });
      return new Set(observedSources(network, client, [a1, a2, b1]).map((text) => text.split(':')[0] ?? ''));
    };

    expect(addresses('paired').size).toBe(1);
    expect(addresses('arbitrary').size).toBeGreaterThan(1);
  });
});

describe('NatBox › filtering (RFC 4787 section 5)', () => {
  it.each([
    ['endpoint-independent', ['198.51.100.1:3478', '198.51.100.1:3479', '198.51.100.2:3478'], 0],
    ['address-dependent', ['198.51.100.1:3478', '198.51.100.1:3479'], 1],
    ['address-and-port-dependent', ['198.51.100.1:3478'], 2],
  ] as const)('%s', (filtering, expected, filtered) => {
    const { network, client, clock, a1, a2, b1 } = behindNat({ filtering });
    const received = collect(client);
    client.send(PAYLOAD, a1.localAddress);
    clock.advance(0);

    for (const sender of [a1, a2, b1]) sender.send(PAYLOAD, transportAddress('203.0.113.1', 5000));
    clock.advance(0);

    expect(received).toEqual(expected);
    expect(network.droppedFor('filtered')).toBe(filtered);
  });

  it('drops what comes to a port without a mapping', () => {
    const { network, a1, clock } = behindNat({ filtering: 'endpoint-independent' });

    a1.send(PAYLOAD, transportAddress('203.0.113.1', 5000));
    clock.advance(0);

    expect(network.droppedFor('no-mapping')).toBe(1);
  });
});

describe('NatBox › mapping lifetime (RFC 4787 section 4.3)', () => {
  const external = transportAddress('203.0.113.1', 5000);

  it.each([
    [false, 'no-mapping'],
    [true, undefined],
  ] as const)(
    'packets from inside keep a mapping, packets from outside only where told (%s)',
    (inboundRefresh, drop) => {
      const { network, nat, client, clock, a1 } = behindNat({ mappingLifetimeMs: 30_000, inboundRefresh });
      const received = collect(client);
      client.send(PAYLOAD, a1.localAddress);
      clock.advance(29_999);
      expect(nat.mappingCount).toBe(1);
      a1.send(PAYLOAD, external);
      clock.advance(1);
      expect(received).toHaveLength(1);

      a1.send(PAYLOAD, external);
      clock.advance(1);

      expect(received).toHaveLength(drop === undefined ? 2 : 1);
      expect(network.droppedFor('no-mapping')).toBe(drop === undefined ? 0 : 1);
    },
  );

  it('gives a new mapping after expiry and after a reboot', () => {
    const { network, nat, client, clock, a1 } = behindNat({
      allocation: { sequentialStep: 1 },
      portRange: [20_000, 20_999],
      mappingLifetimeMs: 1000,
    });
    const first = observedSources(network, client, [a1]);
    clock.advance(1000);
    const second = observedSources(network, client, [a1]);
    nat.reboot();
    const third = observedSources(network, client, [a1]);

    expect([first, second, third].flat()).toEqual([
      '203.0.113.1:20000',
      '203.0.113.1:20001',
      '203.0.113.1:20002',
    ]);
  });
});

describe('NatBox › hairpinning (RFC 4787 section 6)', () => {
  const talk = (hairpinning: boolean) => {
    const { network, nat, client, clock, a1 } = behindNat({ hairpinning });
    const neighbour = network.addHost({ addresses: ['10.0.0.3'] }, nat.inside).bind('10.0.0.3', 6000);
    const received = collect(neighbour);
    for (const socket of [client, neighbour]) socket.send(PAYLOAD, a1.localAddress);
    neighbour.send(PAYLOAD, transportAddress('203.0.113.1', 5000));
    clock.advance(0);
    client.send(PAYLOAD, transportAddress('203.0.113.1', 6000));
    clock.advance(0);
    return { network, received };
  };

  it('shows the external source address where it is on', () => {
    expect(talk(true).received).toEqual(['203.0.113.1:5000']);
  });

  it('drops where it is off', () => {
    const { network, received } = talk(false);

    expect(received).toEqual([]);
    expect(network.droppedFor('hairpin-refused')).toBe(2);
  });

  it('reaches a neighbour by its internal address in any case', () => {
    const { network, nat, client, clock } = behindNat({ udpBlocked: true });
    const neighbour = network.addHost({ addresses: ['10.0.0.3'] }, nat.inside).bind('10.0.0.3', 6000);
    const received = collect(neighbour);

    client.send(PAYLOAD, neighbour.localAddress);
    clock.advance(0);

    expect(received).toEqual(['10.0.0.2:5000']);
  });
});

describe('NatBox › nested, blocked, IPv6', () => {
  it('translates twice behind a carrier-grade NAT, and answers find their way back', () => {
    const network = new VirtualNetwork();
    const carrier = network.addNat({
      name: 'carrier',
      externalAddresses: ['203.0.113.9'],
      allocation: 'random',
    });
    const home = network.addNat({ name: 'home', externalAddresses: ['100.64.0.7'] }, carrier.inside);
    const client = network.addHost({ addresses: ['192.168.0.2'] }, home.inside).bind('192.168.0.2', 5000);
    const server = network.addHost({ addresses: ['198.51.100.1'] }).bind('198.51.100.1', 3478);
    const atClient = collect(client);
    const sources: TransportAddress[] = [];
    server.onDatagram((bytes, from) => {
      sources.push(from);
      server.send(bytes, from);
    });

    client.send(PAYLOAD, server.localAddress);
    network.clock.advance(0);

    expect(sources.map((source) => source.address)).toEqual(['203.0.113.9']);
    expect(sources[0]?.port).not.toBe(5000);
    expect(atClient).toEqual(['198.51.100.1:3478']);
    expect([carrier.mappingCount, home.mappingCount]).toEqual([1, 1]);
  });

  it('drops every packet in both directions where UDP is blocked', () => {
    const { network, client, clock, a1 } = behindNat({ udpBlocked: true });

    client.send(PAYLOAD, a1.localAddress);
    a1.send(PAYLOAD, transportAddress('203.0.113.1', 5000));
    clock.advance(0);

    expect(network.droppedFor('udp-blocked')).toBe(2);
  });

  it('passes IPv6 untranslated and lets only answers in, for as long as the state lives', () => {
    const network = new VirtualNetwork();
    const box = network.addNat({ externalAddresses: [], ipv6: { stateLifetimeMs: 60_000 } });
    const client = network.addHost({ addresses: ['2001:db8:1::2'] }, box.inside).bind('2001:db8:1::2', 5000);
    const server = network.addHost({ addresses: ['2001:db8:ffff::1'] });
    const known = server.bind('2001:db8:ffff::1', 3478);
    const stranger = server.bind('2001:db8:ffff::1', 3479);
    const atServer = collect(known);
    const atClient = collect(client);

    known.send(PAYLOAD, client.localAddress);
    network.clock.advance(0);
    client.send(PAYLOAD, known.localAddress);
    network.clock.advance(0);
    known.send(PAYLOAD, client.localAddress);
    stranger.send(PAYLOAD, client.localAddress);
    network.clock.advance(60_000);
    known.send(PAYLOAD, client.localAddress);
    network.clock.advance(0);

    expect(atServer).toEqual(['[2001:db8:1::2]:5000']);
    expect(atClient).toEqual(['[2001:db8:ffff::1]:3478']);
    expect(network.droppedFor('filtered')).toBe(3);
  });

  it.each([
    ['endpoint-independent', 2],
    ['address-dependent', 1],
  ] as const)('filters IPv6 %s where told', (filtering, expected) => {
    const network = new VirtualNetwork();
    const box = network.addNat({ externalAddresses: [], ipv6: { filtering } });
    const client = network.addHost({ addresses: ['2001:db8:1::2'] }, box.inside).bind('2001:db8:1::2', 5000);
    const server = network.addHost({ addresses: ['2001:db8:ffff::1'] });
    const other = network.addHost({ addresses: ['2001:db8:ffff::2'] }).bind();
    const known = server.bind();
    const atClient = collect(client);

    client.send(PAYLOAD, known.localAddress);
    network.clock.advance(0);
    for (const sender of [server.bind(), other]) sender.send(PAYLOAD, client.localAddress);
    network.clock.advance(0);

    expect(atClient).toHaveLength(expected);
  });

  it('has no way for IPv4 through a box without an IPv4 address', () => {
    const network = new VirtualNetwork();
    const box = network.addNat({ externalAddresses: [] });
    const client = network.addHost({ addresses: ['10.0.0.2'] }, box.inside).bind();

    client.send(PAYLOAD, transportAddress('198.51.100.1', 1));
    network.clock.advance(0);

    expect(network.droppedFor('no-route')).toBe(1);
  });

  it('refuses addresses that are taken, not canonical, or of the wrong family', () => {
    const network = new VirtualNetwork();
    network.addHost({ addresses: ['198.51.100.1'] });

    expect(thrownCode(() => network.addHost({ addresses: ['198.51.100.1'] }))).toBe('NAT_INVALID_ARGUMENT');
    expect(thrownCode(() => network.addHost({ addresses: ['2001:DB8::1'] }))).toBe('NAT_INVALID_ADDRESS');
    expect(thrownCode(() => network.addNat({ externalAddresses: ['2001:db8::1'] }))).toBe(
      'NAT_INVALID_ADDRESS',
    );
  });

  it('an open box lets IPv6 in unasked', () => {
    const network = new VirtualNetwork();
    const box = network.addNat({ externalAddresses: [], ipv6: 'open' });
    const client = network.addHost({ addresses: ['2001:db8:1::2'] }, box.inside).bind('2001:db8:1::2', 5000);
    const server = network.addHost({ addresses: ['2001:db8:ffff::1'] }).bind();
    const atClient = collect(client);

    server.send(PAYLOAD, client.localAddress);
    network.clock.advance(0);

    expect(atClient).toHaveLength(1);
  });
});

describe('seededCrypto', () => {
  it('repeats its random bytes for the same seed and keeps the real hashes', () => {
    const draw = (seed: number): Uint8Array => seededCrypto(seed, nodeCrypto).randomBytes(12);

    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
    expect(seededCrypto(1, nodeCrypto).sha256(PAYLOAD)).toEqual(nodeCrypto.sha256(PAYLOAD));
  });
});
