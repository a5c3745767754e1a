import { describe, expect, it } from '@jest/globals';
import { nodeCrypto } from '../node/node-crypto.ts';
import { seededCrypto } from '../testing/seeded-crypto.ts';
import { instant } from '../time/instant.ts';
import { PortMappingClient, type PortMappingOutput } from './port-mapping-client.ts';
import { decodePcpResponse, encodePcpAnnounce, encodePcpMap } from './pcp-message.ts';

const CLIENT = '192.168.1.50';
const INTERNAL_PORT = 40_000;
const SECOND = 1000;

/** A client on a virtual clock, and what it said, with the time in milliseconds. */
class Bench {
  readonly core = new PortMappingClient({
    crypto: seededCrypto(7, nodeCrypto),
    client: CLIENT,
    internalPort: INTERNAL_PORT,
  });
  readonly sent: { at: number; bytes: Uint8Array }[] = [];
  readonly told: PortMappingOutput[] = [];
  now = 0;
  /** Since when the gateway has its state. */
  bootedAt = 0;

  start(): this {
    this.take(this.core.handle({ kind: 'start' }, instant(this.now)));
    return this;
  }

  input(kind: 'unreachable' | 'confirm' | 'close'): void {
    this.take(this.core.handle({ kind }, instant(this.now)));
  }

  receive(bytes: Uint8Array): void {
    this.take(this.core.handle({ kind: 'datagram', bytes }, instant(this.now)));
  }

  advanceTo(at: number): void {
    for (
      let next = this.core.nextTimeoutAt();
      next !== undefined && next <= at;
      next = this.core.nextTimeoutAt()
    ) {
      this.now = next;
      this.take(this.core.handleTimeout(instant(next)));
    }
    this.now = at;
  }

  get last(): Uint8Array {
    return this.sent.at(-1)!.bytes;
  }

  get epoch(): number {
    return Math.floor((this.now - this.bootedAt) / SECOND);
  }

  take(outputs: readonly PortMappingOutput[]): void {
    for (const output of outputs) {
      if (output.kind === 'send') this.sent.push({ at: this.now, bytes: output.bytes });
      else this.told.push(output);
    }
  }

  /** Answers the last MAP request as a gateway does. */
  grant(change: Partial<Grant> = {}): void {
    this.receive(grantOf(this.last, { lifetime: 3600, epoch: this.epoch, ...change }));
  }
}

interface Grant {
  lifetime: number;
  epoch: number;
  port: number;
  address: readonly number[];
  result: number;
}

/** A MAP response (RFC 6887 section 11.1) to a request. */
function grantOf(
  request: Uint8Array,
  { lifetime = 0, epoch = 0, port, address, result }: Partial<Grant>,
): Uint8Array {
  const bytes = request.slice();
  const view = new DataView(bytes.buffer);
  bytes.fill(0, 2, 24);
  bytes[1] = 0x81;
  bytes[3] = result ?? 0;
  view.setUint32(4, lifetime);
  view.setUint32(8, epoch);
  view.setUint16(42, port ?? 50_000);
  bytes.set(address ?? [203, 0, 113, 9], 56);
  return bytes;
}

const mappedTo = (address: string, port: number, protocol = 'pcp') => ({
  kind: 'mapped',
  protocol,
  external: { family: 'ipv4', address, port },
});

/** The answer of a gateway with NAT-PMP only to anything else (RFC 6886 section 3.5). */
const UNSUPPORTED_VERSION = Uint8Array.of(0, 0x81, 0, 1, 0, 0, 0, 9);

describe('asking for a port by PCP', () => {
  it('lays MAP out as RFC 6887 figures 2, 5 and 7 do', () => {
    const { last } = new Bench().start();

    expect(last).toHaveLength(60);
    expect([...last.subarray(0, 8)]).toEqual([2, 1, 0, 0, 0, 0, 0x0e, 0x10]);
    expect([...last.subarray(8, 24)]).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 168, 1, 50]);
    expect([...last.subarray(36, 44)]).toEqual([17, 0, 0, 0, 0x9c, 0x40, 0x9c, 0x40]);
    expect([...last.subarray(44)]).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0]);
  });

  it('tells what the gateway gave', () => {
    const bench = new Bench().start();
    bench.grant();

    expect(bench.told).toEqual([mappedTo('203.0.113.9', 50_000)]);
    expect(bench.core.external).toMatchObject({ port: 50_000 });
  });

  it('repeats after 3 s, doubled, within a tenth, up to 1024 s (section 8.1.1), and says once that nobody answers', () => {
    const bench = new Bench().start();
    bench.advanceTo(3_000 * SECOND);

    const gaps = bench.sent.slice(1).map(({ at }, index) => (at - bench.sent[index]!.at) / SECOND);
    expect(gaps).toHaveLength(10);
    gaps.forEach((gap, index) => {
      const nominal = Math.min(3 * 2 ** index, 1024);
      expect(Math.abs(gap - nominal)).toBeLessThanOrEqual(nominal / 10);
    });
    expect(new Set(gaps.map((gap, index) => gap / 2 ** index)).size).toBeGreaterThan(1);
    expect(bench.told).toEqual([{ kind: 'silent' }]);
  });

  it('is mapped by the answer to a repetition', () => {
    const bench = new Bench().start();
    bench.advanceTo(4 * SECOND);
    expect(bench.sent).toHaveLength(2);
    bench.grant();

    expect(bench.told).toEqual([{ kind: 'silent' }, mappedTo('203.0.113.9', 50_000)]);
  });

  it('believes no answer with another nonce, for another port or protocol, and counts it', () => {
    const bench = new Bench().start();
    const forged = grantOf(bench.last, { lifetime: 3600 });
    forged[24]! ^= 1;
    bench.receive(forged);
    const otherPort = grantOf(bench.last, { lifetime: 3600 });
    otherPort[41]! ^= 1;
    bench.receive(otherPort);
    const tcp = grantOf(bench.last, { lifetime: 3600 });
    tcp[36] = 6;
    bench.receive(tcp);
    bench.receive(grantOf(bench.last, { lifetime: 3600, port: 0 }));
    bench.receive(bench.last);
    for (let length = 0; length < 60; length += 1) bench.receive(grantOf(bench.last, {}).subarray(0, length));

    expect(bench.core.external).toBeUndefined();
    const reasons = bench.told.map((output) => (output.kind === 'drop' ? output.reason : output.kind));
    expect(reasons.slice(0, 5)).toEqual([
      'wrong-nonce',
      'not-our-mapping',
      'not-our-mapping',
      'malformed',
      'malformed',
    ]);
    expect(new Set(reasons.slice(5))).toEqual(new Set(['malformed']));
  });

  it('never throws, whatever arrives', () => {
    const bench = new Bench().start();
    const random = seededCrypto(3, nodeCrypto);
    for (let round = 0; round < 3000; round += 1) {
      const bytes = random.randomBytes(round % 80);
      if (round % 2 === 0 && bytes.length > 1) bytes.set([round % 4 === 0 ? 2 : 0, 0x80 | (round % 3)]);
      bench.receive(bytes);
    }
    expect(bench.core.external).toBeUndefined();
  });

  it('asks again after an error as long as the gateway says, within 30 s and half an hour', () => {
    const bench = new Bench().start();
    bench.grant({ result: 8, lifetime: 100 });
    expect(bench.told).toEqual([{ kind: 'refused', protocol: 'pcp', result: 8 }]);
    bench.advanceTo(100 * SECOND - 1);
    expect(bench.sent).toHaveLength(1);
    bench.advanceTo(100 * SECOND);
    expect(bench.sent).toHaveLength(2);
    bench.grant({ result: 2, lifetime: 0xffff_ffff });
    bench.advanceTo(1900 * SECOND - 1);
    expect(bench.sent).toHaveLength(2);
    bench.advanceTo(1900 * SECOND);
    expect(bench.sent).toHaveLength(3);
  });

  it('says at once that the port of the gateway is closed', () => {
    const bench = new Bench().start();
    bench.input('unreachable');
    bench.input('unreachable');
    expect(bench.told).toEqual([{ kind: 'silent' }]);
  });
});

describe('keeping a port', () => {
  it('renews between a half and five eighths of the lifetime, with what it has (section 11.2.1)', () => {
    const bench = new Bench().start();
    bench.grant({ lifetime: 1000 });
    bench.advanceTo(500 * SECOND - 1);
    expect(bench.sent).toHaveLength(1);
    bench.advanceTo(625 * SECOND);
    expect(bench.sent).toHaveLength(2);
    expect([...bench.last.subarray(24, 36)]).toEqual([...bench.sent[0]!.bytes.subarray(24, 36)]);
    expect([...bench.last.subarray(42, 44)]).toEqual([50_000 >> 8, 50_000 & 0xff]);
    expect([...bench.last.subarray(56)]).toEqual([203, 0, 113, 9]);
    bench.grant({ lifetime: 1000 });
    bench.advanceTo(1_100 * SECOND);

    expect(bench.told).toHaveLength(1);
    expect(bench.core.external).toBeDefined();
  });

  it('tries several times before it expires, then tells the loss and asks anew', () => {
    const bench = new Bench().start();
    bench.grant({ lifetime: 120 });
    bench.advanceTo(120 * SECOND - 1);
    expect(bench.sent.length).toBeGreaterThanOrEqual(4);
    expect(bench.told).toHaveLength(1);
    const before = bench.sent.length;
    bench.advanceTo(120 * SECOND);

    expect(bench.told.slice(1)).toEqual([{ kind: 'lost', cause: 'expired' }]);
    expect(bench.core.external).toBeUndefined();
    expect(bench.sent).toHaveLength(before + 1);
    bench.grant({ port: 50_001 });
    expect(bench.told.at(-1)).toEqual(mappedTo('203.0.113.9', 50_001));
  });

  it('takes no port that is gone at once, and asks again after 30 s', () => {
    const bench = new Bench().start();
    bench.grant({ lifetime: 9 });
    expect(bench.told).toEqual([{ kind: 'drop', reason: 'lifetime-too-short' }]);
    bench.advanceTo(30 * SECOND - 1);
    expect(bench.sent).toHaveLength(1);
    bench.advanceTo(30 * SECOND);
    expect(bench.sent).toHaveLength(2);
  });

  it('asks no more often than every 4 s, however short the lifetime', () => {
    const bench = new Bench().start();
    bench.grant({ lifetime: 10 });
    bench.advanceTo(10 * SECOND - 1);
    const [first, second, ...others] = bench.sent.slice(1).map(({ at }) => at);
    expect(second! - first!).toBe(4 * SECOND);
    expect(others).toEqual([]);
  });

  it('tells another address outside, but not the same one again', () => {
    const bench = new Bench().start();
    bench.grant();
    bench.input('confirm');
    bench.grant();
    bench.input('confirm');
    bench.grant({ address: [203, 0, 113, 77] });

    expect(bench.told).toEqual([mappedTo('203.0.113.9', 50_000), mappedTo('203.0.113.77', 50_000)]);
  });

  it('asks within 5 s when an announcement shows that the gateway forgot it (sections 8.5, 14.1)', () => {
    const bench = new Bench().start();
    bench.grant();
    const announce = () => {
      const bytes = encodePcpAnnounce(CLIENT);
      bytes[1] = 0x80;
      new DataView(bytes.buffer).setUint32(8, bench.epoch);
      bench.receive(bytes);
    };
    bench.advanceTo(600 * SECOND);
    announce();
    bench.advanceTo(610 * SECOND);
    expect(bench.sent).toHaveLength(1);

    bench.bootedAt = 605 * SECOND;
    announce();
    bench.advanceTo(615 * SECOND);
    expect(bench.sent).toHaveLength(2);
    bench.grant({ port: 50_009 });
    expect(bench.told.at(-1)).toEqual(mappedTo('203.0.113.9', 50_009));
  });

  it('stops telling it when the gateway takes it back', () => {
    const bench = new Bench().start();
    bench.grant();
    bench.grant({ lifetime: 0 });
    expect(bench.told.at(-1)).toEqual({ kind: 'lost', cause: 'deleted' });
    bench.advanceTo(30 * SECOND);
    expect(bench.sent).toHaveLength(2);
  });
});

describe('giving a port back', () => {
  it('deletes with lifetime 0 and without a suggestion (section 15), and ends with the answer', () => {
    const bench = new Bench().start();
    bench.grant();
    bench.input('close');

    expect([...bench.last.subarray(4, 8)]).toEqual([0, 0, 0, 0]);
    expect([...bench.last.subarray(42, 44)]).toEqual([0, 0]);
    expect([...bench.last.subarray(56)]).toEqual([0, 0, 0, 0]);
    expect(bench.told).toHaveLength(1);
    bench.grant({ lifetime: 0 });
    expect(bench.told.at(-1)).toEqual({ kind: 'closed' });
    expect(bench.core.nextTimeoutAt()).toBeUndefined();
  });

  it('waits half a second for an answer, and asks twice', () => {
    const bench = new Bench().start();
    bench.grant();
    bench.input('close');
    bench.advanceTo(499);
    expect(bench.sent).toHaveLength(3);
    expect(bench.told).toHaveLength(1);
    bench.advanceTo(500);
    expect(bench.told.at(-1)).toEqual({ kind: 'closed' });
  });

  it('deletes what may have been given without an answer, and nothing where nobody ever answered', () => {
    const asked = new Bench().start();
    asked.input('close');
    expect(asked.sent).toHaveLength(2);

    const silent = new Bench().start();
    silent.advanceTo(10 * SECOND);
    silent.input('close');
    expect(silent.told).toEqual([{ kind: 'silent' }, { kind: 'closed' }]);
  });
});

describe('a gateway that knows NAT-PMP only', () => {
  const externalAddress = (epoch: number, last = 9) =>
    Uint8Array.of(0, 0x80, 0, 0, 0, 0, 0, epoch, 203, 0, 113, last);
  const mapping = (lifetime: number, port = 50_000) => {
    const bytes = new Uint8Array(16);
    const view = new DataView(bytes.buffer);
    bytes[1] = 0x81;
    view.setUint16(8, INTERNAL_PORT);
    view.setUint16(10, port);
    view.setUint32(12, lifetime);
    return bytes;
  };

  it('is asked in its words (RFC 6887 section 9, RFC 6886 sections 3.2 and 3.3)', () => {
    const bench = new Bench().start();
    bench.receive(UNSUPPORTED_VERSION);
    expect(bench.sent.slice(1).map(({ bytes }) => [...bytes])).toEqual([
      [0, 0],
      [0, 1, 0, 0, 0x9c, 0x40, 0x9c, 0x40, 0, 0, 0x0e, 0x10],
    ]);
    bench.receive(mapping(3600));
    expect(bench.told).toEqual([]);
    bench.receive(externalAddress(1));
    expect(bench.told).toEqual([mappedTo('203.0.113.9', 50_000, 'nat-pmp')]);
  });

  it('is asked nine times from 250 ms on, only for what is missing, and then by PCP again', () => {
    const bench = new Bench().start();
    bench.receive(UNSUPPORTED_VERSION);
    bench.receive(externalAddress(1));
    bench.advanceTo(250);
    expect([...bench.last].slice(0, 2)).toEqual([0, 1]);
    expect(bench.sent).toHaveLength(4);
    bench.advanceTo(200 * SECOND);
    expect(bench.sent).toHaveLength(1 + 2 + 8);
    expect(bench.told).toEqual([{ kind: 'silent' }]);
    bench.advanceTo(1100 * SECOND);
    expect(bench.last[0]).toBe(2);
  });

  it('renews at the half, and no repeated answer lengthens the lifetime', () => {
    const bench = new Bench().start();
    bench.receive(UNSUPPORTED_VERSION);
    bench.receive(externalAddress(1));
    bench.receive(mapping(100));
    bench.advanceTo(45 * SECOND);
    bench.receive(mapping(100));
    bench.receive(externalAddress(46));
    bench.advanceTo(100 * SECOND);

    expect(bench.told.filter(({ kind }) => kind === 'lost')).toEqual([{ kind: 'lost', cause: 'expired' }]);
  });

  it('is asked again when it announces another address', () => {
    const bench = new Bench().start();
    bench.receive(UNSUPPORTED_VERSION);
    bench.receive(externalAddress(1));
    bench.receive(mapping(3600));
    const before = bench.sent.length;
    bench.receive(externalAddress(1, 77));
    expect(bench.sent).toHaveLength(before + 2);
    bench.receive(externalAddress(1, 77));
    bench.receive(mapping(3600));
    expect(bench.told.at(-1)).toEqual(mappedTo('203.0.113.77', 50_000, 'nat-pmp'));
  });

  it('gets its port back by port 0 and lifetime 0 (section 3.4)', () => {
    const bench = new Bench().start();
    bench.receive(UNSUPPORTED_VERSION);
    bench.receive(externalAddress(1));
    bench.receive(mapping(3600));
    bench.input('close');
    expect([...bench.last]).toEqual([0, 1, 0, 0, 0x9c, 0x40, 0, 0, 0, 0, 0, 0]);
    bench.receive(mapping(0, 0));
    expect(bench.told.at(-1)).toEqual({ kind: 'closed' });
  });

  it('cannot make a mapping with a message of that version before it was asked', () => {
    const bench = new Bench().start();
    bench.receive(mapping(3600));
    expect(bench.told).toEqual([{ kind: 'drop', reason: 'unexpected' }]);
  });
});

describe('PCP messages', () => {
  it('are refused when longer than 1100 bytes or no multiple of four (section 8.3)', () => {
    const request = encodePcpMap({
      nonce: new Uint8Array(12),
      client: CLIENT,
      internalPort: 1,
      suggested: undefined,
      lifetimeSeconds: 1,
    });
    const response = grantOf(request, { lifetime: 1 });
    const padded = (length: number) => {
      const bytes = new Uint8Array(length);
      bytes.set(response);
      return bytes;
    };
    expect(decodePcpResponse(padded(1100))).toMatchObject({ kind: 'map' });
    expect(decodePcpResponse(padded(1104))).toBeUndefined();
    expect(decodePcpResponse(padded(61))).toBeUndefined();
  });
});
