import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { formatIpAddress, transportAddress } from '../../net/ip-address.ts';
import { ipPrefix, parseIpPrefix, prefixContains } from './ip-prefix.ts';
import { PeerPolicy, type PeerPolicyOptions } from './peer-policy.ts';
import { SPECIAL_PURPOSE_RANGES } from './special-purpose.ts';

const policy = (options: Partial<PeerPolicyOptions> = {}): PeerPolicy =>
  new PeerPolicy({ relayPortRange: { min: 50_000, max: 50_999 }, ...options });
const refusal = (address: string, port = 5000, options?: Partial<PeerPolicyOptions>) => {
  const peer = transportAddress(address, port);
  const judge = policy(options);
  return { address: judge.refusalOfAddress(peer), peer: judge.refusalOfPeer(peer) };
};
const BOTH_REFUSE = { address: 'peer-special-purpose', peer: 'peer-special-purpose' };
const BOTH_PERMIT = { address: undefined, peer: undefined };

/** Every way to write an IPv4 address into an IPv6 one that some stack or translator takes back out. */
const spellings = (ipv4: string): string[] => {
  const [a = 0, b = 0, c = 0, d = 0] = ipv4.split('.').map(Number);
  const hex = (high: number, low: number): string => ((high << 8) | low).toString(16);
  const groups = `${hex(a, b)}:${hex(c, d)}`;
  const inverted = `${hex(a ^ 0xff, b ^ 0xff)}:${hex(c ^ 0xff, d ^ 0xff)}`;
  return [
    ipv4,
    `::ffff:${groups}`,
    `::${groups}`,
    `64:ff9b::${groups}`,
    `64:ff9b:1::${groups}`,
    `2002:${groups}::1`,
    `2001:0:${groups}:0:0:808:808`,
    `2001:0:808:808:0:0:${inverted}`,
  ];
};

describe('PeerPolicy › special-purpose addresses (RFC 6890)', () => {
  it.each([
    '8.8.8.8',
    '198.41.0.4',
    '100.128.0.1',
    '172.32.0.1',
    '2001:4860:4860::8888',
    '2a00:1450::1',
    '64:ff9b::808:808',
  ])('permits the public address %s', (address) => expect(refusal(address)).toEqual(BOTH_PERMIT));

  it.each(
    [
      '127.0.0.1',
      '127.255.255.254',
      '0.0.0.0',
      '0.1.2.3',
      '169.254.169.254',
      '169.254.0.1',
      '10.0.0.1',
      '172.16.0.1',
      '192.168.1.1',
      '100.64.0.1',
      '255.255.255.255',
      '224.0.0.1',
      '240.0.0.1',
    ].flatMap(spellings),
  )('refuses %s', (address) => expect(refusal(address)).toEqual(BOTH_REFUSE));

  it.each([
    '::',
    '::1',
    'fe80::1',
    'febf::1',
    'fc00::1',
    'fd00:ec2::254',
    'fec0::1',
    'ff02::1',
    '2001:db8::1',
    '3fff::1',
    '5f00::1',
    '100::1',
    '4000::1',
    '::2',
  ])('refuses %s', (address) => expect(refusal(address)).toEqual(BOTH_REFUSE));

  it('refuses the first and the last address of every registered range', () => {
    for (const [range] of SPECIAL_PURPOSE_RANGES) {
      const { bytes, bits } = ipPrefix(range);
      const last = bytes.map((byte, index) => byte | (0xff >> Math.min(8, Math.max(0, bits - index * 8))));
      expect([range, refusal(formatIpAddress(bytes)), refusal(formatIpAddress(last))]).toEqual([
        range,
        BOTH_REFUSE,
        BOTH_REFUSE,
      ]);
    }
  });

  it('refuses what is no address at all', () => {
    const peer = { family: 'ipv4', address: '127.1', port: 5000 } as const;

    expect([policy().refusalOfAddress(peer), policy().refusalOfPeer(peer)]).toEqual([
      'peer-not-an-address',
      'peer-not-an-address',
    ]);
  });

  it('refuses every spelling of a special-purpose IPv4 address', () => {
    const special = SPECIAL_PURPOSE_RANGES.map(([range]) => ipPrefix(range)).filter(
      ({ bytes }) => bytes.length === 4,
    );
    fc.assert(
      fc.property(
        fc.constantFrom(...special),
        fc.uint8Array({ minLength: 4, maxLength: 4 }),
        fc.nat(7),
        ({ bytes, bits }, random, way) => {
          const inside = bytes.map(
            (byte, index) =>
              byte | ((random[index] ?? 0) & (0xff >> Math.min(8, Math.max(0, bits - index * 8)))),
          );
          const address = spellings(formatIpAddress(inside))[way] ?? '';
          expect(refusal(address).peer).toBe('peer-special-purpose');
        },
      ),
    );
  });
});

describe('PeerPolicy › ports', () => {
  it('refuses port 0 always, ports below 1024 by default, and permits from there', () => {
    const ports = [0, 1, 53, 1023, 1024, 65_535];

    expect(ports.map((port) => refusal('8.8.8.8', port).peer)).toEqual([
      'peer-port-zero',
      'peer-low-port',
      'peer-low-port',
      'peer-low-port',
      undefined,
      undefined,
    ]);
    expect(refusal('8.8.8.8', 53, { minimumPeerPort: 1 }).peer).toBeUndefined();
  });
});

describe('PeerPolicy › allow-list', () => {
  const allow = ['127.0.0.0/8', 'fd00::/8'];

  it('lifts every refusal but port 0, also for other spellings of the allowed address', () => {
    for (const address of spellings('127.0.0.1'))
      expect(refusal(address, 53, { allow })).toEqual(BOTH_PERMIT);
    expect(refusal('fd00::1', 53, { allow })).toEqual(BOTH_PERMIT);
    expect(refusal('127.0.0.1', 0, { allow }).peer).toBe('peer-port-zero');
  });

  it('lifts nothing beside it', () => {
    expect(refusal('126.255.255.255', 5000, { allow })).toEqual(BOTH_PERMIT);
    expect(refusal('10.0.0.1', 5000, { allow })).toEqual(BOTH_REFUSE);
    expect(refusal('fc00::1', 5000, { allow })).toEqual(BOTH_REFUSE);
  });

  it.each(['10.0.0.1/8', '10.0.0.0/33', '10.0.0.0/-1', '10.0.0.0/8/8', 'x', '', '10.0.0.0/'])(
    'takes no %p for a range',
    (text) => {
      expect(parseIpPrefix(text)).toBeUndefined();
    },
  );

  it('compares prefixes that end within a byte', () => {
    const prefix = ipPrefix('172.16.0.0/12');

    expect(
      ['172.15.255.255', '172.16.0.0', '172.31.255.255', '172.32.0.0'].map((text) =>
        prefixContains(prefix, ipPrefix(text).bytes),
      ),
    ).toEqual([false, true, true, false]);
  });
});

describe('PeerPolicy › relay addresses of the deployment', () => {
  const options = { relayAddresses: ['10.0.0.5', '8.8.4.4'] };

  it('permits their relay ports, also where the address is private', () => {
    expect([50_000, 50_999].map((port) => refusal('10.0.0.5', port, options))).toEqual([
      BOTH_PERMIT,
      BOTH_PERMIT,
    ]);
    expect(refusal('::ffff:10.0.0.5', 50_000, options).peer).toBeUndefined();
  });

  it('refuses all their other ports, also where the address is public', () => {
    const refused = { address: undefined, peer: 'peer-own-address' };

    expect([22, 3478, 6379, 49_999, 51_000].map((port) => refusal('10.0.0.5', port, options))).toEqual(
      Array(5).fill(refused),
    );
    expect(refusal('8.8.4.4', 6379, options)).toEqual(refused);
  });

  it('follows the roster', () => {
    const judge = policy(options);
    judge.setRelayAddresses(['10.0.0.6']);

    expect(judge.refusalOfPeer(transportAddress('10.0.0.5', 50_000))).toBe('peer-special-purpose');
    expect(judge.refusalOfPeer(transportAddress('10.0.0.6', 50_000))).toBeUndefined();
  });
});
