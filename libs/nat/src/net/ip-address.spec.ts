import { isIP } from 'node:net';
import fc from 'fast-check';
import { NatError } from '../errors.ts';
import {
  canonicalIpAddress,
  formatIpAddress,
  parseIpAddress,
  parseTransportAddress,
  transportAddress,
} from './ip-address.ts';
import { fiveTupleKey } from './five-tuple.ts';
import { sourcePrefix } from './source-prefix.ts';
import { formatTransportAddress, sameTransportAddress, transportAddressKey } from './transport-address.ts';

describe('IP addresses › canonical text (RFC 5952)', () => {
  it.each([
    ['0.0.0.0', '0.0.0.0'],
    ['255.255.255.255', '255.255.255.255'],
    ['2001:0DB8:0000:0000:0000:0000:0000:0001', '2001:db8::1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['::ffff:192.0.2.1', '::ffff:192.0.2.1'],
    ['::FFFF:c000:201', '::ffff:192.0.2.1'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
  ])('%s is written %s', (text, canonical) => {
    expect(canonicalIpAddress(text)).toBe(canonical);
  });

  it.each([
    '',
    '1.2.3',
    '1.2.3.4.5',
    '1.2.3.256',
    '01.2.3.4',
    '1.2.3.04',
    '0x7f.0.0.1',
    '127.1',
    '1..2.3',
    ' 1.2.3.4',
    '1.2.3.4 ',
    '-1.2.3.4',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4::5:6:7:8',
    '12345::',
    'fe80::1%eth0',
    '::1.2.3',
    '1.2.3.4::',
    '::1.2.3.4:5',
    '[::1]',
    'g::1',
    ':1:2:3:4:5:6:7:8',
    '1:2:3:4:5:6:7:8:',
    'localhost',
  ])('refuses %j', (text) => {
    expect(parseIpAddress(text)).toBeUndefined();
  });

  it('round-trips every IPv4 and IPv6 address', () => {
    const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
    fc.assert(
      fc.property(fc.oneof(bytes(4), bytes(16)), (address) => {
        expect(parseIpAddress(formatIpAddress(address))).toEqual(address);
      }),
    );
  });

  it('accepts no text that the operating system would refuse', () => {
    const text = fc.oneof(
      fc.ipV4(),
      fc.ipV6(),
      fc.ipV4Extended(),
      fc.string({ unit: fc.constantFrom('0', '1', 'f', ':', '.') }),
    );
    fc.assert(
      fc.property(text, (candidate) => {
        const parsed = parseIpAddress(candidate);
        const version = parsed === undefined ? 0 : parsed.length === 4 ? 4 : 6;
        expect(version === 0 || version === isIP(candidate)).toBe(true);
      }),
    );
  });

  it('accepts every address that the operating system accepts in its usual forms', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
        expect(parseIpAddress(text)).toBeDefined();
      }),
    );
  });

  it('throws a typed error for bytes that are no address', () => {
    expect(() => formatIpAddress(new Uint8Array(5))).toThrow(NatError);
  });
});

describe('TransportAddress', () => {
  it('is canonical after parsing, so equal addresses have equal keys', () => {
    const a = transportAddress('2001:DB8:0::1', 3478);
    const b = transportAddress('2001:db8::1', 3478);

    expect(a).toEqual({ family: 'ipv6', address: '2001:db8::1', port: 3478 });
    expect(sameTransportAddress(a, b)).toBe(true);
    expect(transportAddressKey(a)).toBe(transportAddressKey(b));
    expect(formatTransportAddress(a)).toBe('[2001:db8::1]:3478');
    expect(formatTransportAddress(transportAddress('192.0.2.1', 0))).toBe('192.0.2.1:0');
  });

  it.each([-1, 65_536, 1.5, Number.NaN])('refuses port %p', (port) => {
    expect(parseTransportAddress('192.0.2.1', port)).toBeUndefined();
    expect(() => transportAddress('192.0.2.1', port)).toThrow(NatError);
  });

  it('refuses what is no address', () => {
    expect(parseTransportAddress('example.org', 1)).toBeUndefined();
  });
});

describe('keys', () => {
  it('a five-tuple has one key per client, server and protocol', () => {
    const client = transportAddress('192.0.2.1', 1);
    const server = transportAddress('192.0.2.2', 2);
    const tuples = [
      { client, server, protocol: 'udp' },
      { client, server, protocol: 'tcp' },
      { client: server, server: client, protocol: 'udp' },
      { client: { ...client, port: 2 }, server, protocol: 'udp' },
    ] as const;

    expect(new Set(tuples.map(fiveTupleKey)).size).toBe(tuples.length);
    expect(fiveTupleKey(tuples[0])).toBe(fiveTupleKey({ ...tuples[0] }));
  });

  it('a source is an IPv4 address or an IPv6 /64', () => {
    expect(sourcePrefix(transportAddress('192.0.2.1', 1))).toBe('192.0.2.1');
    expect(sourcePrefix(transportAddress('2001:db8:1:2:3:4:5:6', 1))).toBe('2001:db8:1:2::');
  });
});
