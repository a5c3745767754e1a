import { describe, expect, it } from '@jest/globals';
import { Distances } from './distances.ts';
import { placesOf } from './places.ts';
import { planTopology } from './topology.ts';

const PORT_RESTRICTED = 'endpoint-independent/address-and-port-dependent';
const TOPOLOGY = planTopology(
  [
    { behaviour: PORT_RESTRICTED, ipv6: 'stateful-firewall' },
    { behaviour: 'none' },
    { behaviour: PORT_RESTRICTED, carrier: 'mobile' },
  ],
  { mobile: { hairpinning: true } },
);
const [A, B] = TOPOLOGY.sides.map(({ wanAddress }) => wanAddress) as [string, string];
const CARRIER = TOPOLOGY.carriers[0]!.wanAddress;
const [SERVER] = TOPOLOGY.server.addresses;

function packet(from: string, to: string): Uint8Array {
  const bytes = new Uint8Array(20);
  bytes[0] = 0x45;
  bytes.set(from.split('.').map(Number), 12);
  bytes.set(to.split('.').map(Number), 16);
  return bytes;
}

function ipv6Packet(fromPrefix: number, toPrefix: number): Uint8Array {
  const bytes = new Uint8Array(40);
  bytes[0] = 0x60;
  for (const [at, prefix] of [
    [8, fromPrefix],
    [24, toPrefix],
  ] as const)
    bytes.set([0x20, 0x01, 0, 2, 0, 0, 0, prefix], at);
  return bytes;
}

function distances(delayMs = 0, loss = 0): Distances {
  return new Distances({ everywhere: { delayMs, loss }, seed: 1, places: placesOf(TOPOLOGY) });
}

function dueAfter(link: Distances, bytes: Uint8Array): number | undefined {
  link.add(bytes, 1_000);
  const dueAt = link.nextDueAt();
  if (dueAt !== undefined) link.takeDue(dueAt);
  return dueAt === undefined ? undefined : dueAt - 1_000;
}

describe('Distances', () => {
  it('add what every place on the way adds, in both directions and families', () => {
    const link = distances(10);
    link.change({ place: 'a', delayMs: 5, loss: 0 });
    link.change({ place: 'mobile', delayMs: 100, loss: 0 });

    expect(dueAfter(link, packet(B, SERVER))).toBe(10);
    expect(dueAfter(link, packet(A, SERVER))).toBe(15);
    expect(dueAfter(link, packet(SERVER, A))).toBe(15);
    expect(dueAfter(link, packet(A, CARRIER))).toBe(115);
    expect(dueAfter(link, ipv6Packet(1, 0))).toBe(15);
    expect(dueAfter(link, ipv6Packet(0, 1))).toBe(15);
    expect(dueAfter(link, packet('198.19.2.2', CARRIER))).toBe(110);
  });

  it('follow a change from the next packet on, on lines that exist', () => {
    const link = distances();
    expect(dueAfter(link, packet(A, SERVER))).toBe(0);

    link.change({ place: 'a', delayMs: 40, loss: 0 });
    expect(dueAfter(link, packet(A, SERVER))).toBe(40);
    link.change({ place: 'a', delayMs: 0, loss: 1 });
    expect(dueAfter(link, packet(A, SERVER))).toBeUndefined();
    expect(dueAfter(link, packet(B, SERVER))).toBe(0);
    link.change({ place: 'a', delayMs: 0, loss: 0 });
    expect(dueAfter(link, packet(A, SERVER))).toBe(0);
  });

  it('give out what is due first on any line, and keep the order on each', () => {
    const link = distances();
    link.change({ place: 'a', delayMs: 50, loss: 0 });
    const slow = packet(A, SERVER);
    const fast = packet(B, SERVER);

    link.add(slow, 0);
    link.add(fast, 10);
    link.change({ place: 'a', delayMs: 0, loss: 0 });
    const overtaking = packet(A, SERVER);
    link.add(overtaking, 11);

    expect(link.nextDueAt()).toBe(10);
    expect(link.takeDue(11)).toBe(fast);
    expect(link.takeDue(11)).toBeUndefined();
    expect(link.takeDue(50)).toBe(slow);
    expect(link.takeDue(50)).toBe(overtaking);
  });
});
