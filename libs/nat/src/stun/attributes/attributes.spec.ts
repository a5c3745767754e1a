import fc from 'fast-check';
import { NatError } from '../../errors.ts';
import { formatIpAddress } from '../../net/ip-address.ts';
import type { TransportAddress } from '../../net/transport-address.ts';
import { StunMessageBuilder } from '../message-builder.ts';
import { Method } from '../message-type.ts';
import { decodeStunMessage, type StunMessage } from '../message.ts';
import * as address from './address.ts';
import type { AttributeCodec } from './attribute-codec.ts';
import { ChangeRequest, ResponsePort } from './behaviour.ts';
import { AddressErrorCode, ErrorCode, UnknownAttributes } from './error.ts';
import { IceControlled, IceControlling, Nomination, Priority, UseCandidate } from './ice.ts';
import * as opaque from './opaque.ts';
import { PasswordAlgorithm, PasswordAlgorithms } from './password-algorithm.ts';
import { AlternateDomain, Nonce, Realm, Software, Username } from './text.ts';
import * as turn from './turn.ts';

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const uint = (bits: number) => fc.integer({ min: 0, max: 2 ** bits - 1 });
const transactionId = bytes(12);

const transportAddress: fc.Arbitrary<TransportAddress> = fc
  .tuple(fc.oneof(bytes(4), bytes(16)), uint(16))
  .map(([ip, port]) => ({ family: ip.length === 4 ? 'ipv4' : 'ipv6', address: formatIpAddress(ip), port }));
const family = fc.constantFrom('ipv4' as const, 'ipv6' as const);
const text = fc.string({ unit: 'grapheme', maxLength: 30 });
const errorCode = fc.record({ code: fc.integer({ min: 300, max: 699 }), reason: text });
const passwordAlgorithm = fc.record({ algorithm: uint(16), parameters: fc.uint8Array({ maxLength: 9 }) });
const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });

/** A codec with the values it must carry; the type parameter is closed over so that the table can mix them. */
type Case = readonly [
  name: string,
  check: () => void,
  codec: Pick<AttributeCodec<unknown>, 'type' | 'decode'>,
];

function roundTrip<T>(name: string, codec: AttributeCodec<T>, values: fc.Arbitrary<T>): Case {
  const check = (): void => {
    fc.assert(
      fc.property(values, transactionId, (value, id) => {
        const message = decode(
          new StunMessageBuilder('request', Method.BINDING, id).add(codec, value).toBytes(),
        );
        expect(message.read(codec)).toEqual({ ok: true, value });
      }),
    );
  };
  return [name, check, codec];
}

function decode(datagram: Uint8Array): StunMessage {
  const result = decodeStunMessage(datagram);
  if (!result.ok) throw new TypeError(`${result.reason} at ${result.at}`);
  return result.message;
}

const CASES: readonly Case[] = [
  roundTrip('MAPPED-ADDRESS', address.MappedAddress, transportAddress),
  roundTrip('XOR-MAPPED-ADDRESS', address.XorMappedAddress, transportAddress),
  roundTrip('XOR-PEER-ADDRESS', address.XorPeerAddress, transportAddress),
  roundTrip('XOR-RELAYED-ADDRESS', address.XorRelayedAddress, transportAddress),
  roundTrip('ALTERNATE-SERVER', address.AlternateServer, transportAddress),
  roundTrip('RESPONSE-ORIGIN', address.ResponseOrigin, transportAddress),
  roundTrip('OTHER-ADDRESS', address.OtherAddress, transportAddress),
  roundTrip('USERNAME', Username, text),
  roundTrip('REALM', Realm, text),
  roundTrip('NONCE', Nonce, text),
  roundTrip('SOFTWARE', Software, text),
  roundTrip('ALTERNATE-DOMAIN', AlternateDomain, fc.domain()),
  roundTrip('USERHASH', opaque.Userhash, bytes(32)),
  roundTrip('MESSAGE-INTEGRITY', opaque.MessageIntegrity, bytes(20)),
  roundTrip(
    'MESSAGE-INTEGRITY-SHA256',
    opaque.MessageIntegritySha256,
    fc.oneof(...[16, 20, 24, 28, 32].map(bytes)),
  ),
  roundTrip('FINGERPRINT', opaque.Fingerprint, uint(32)),
  roundTrip('DATA', opaque.Data, fc.uint8Array({ maxLength: 1500 })),
  roundTrip('RESERVATION-TOKEN', opaque.ReservationToken, bytes(8)),
  roundTrip('PADDING', opaque.Padding, fc.uint8Array({ maxLength: 1500 })),
  roundTrip('ERROR-CODE', ErrorCode, errorCode),
  roundTrip(
    'ADDRESS-ERROR-CODE',
    AddressErrorCode,
    fc.tuple(errorCode, family).map(([error, addressFamily]) => ({ ...error, family: addressFamily })),
  ),
  roundTrip('UNKNOWN-ATTRIBUTES', UnknownAttributes, fc.array(uint(16), { maxLength: 20 })),
  roundTrip('PASSWORD-ALGORITHM', PasswordAlgorithm, passwordAlgorithm),
  roundTrip(
    'PASSWORD-ALGORITHMS',
    PasswordAlgorithms,
    fc.array(passwordAlgorithm, { minLength: 1, maxLength: 5 }),
  ),
  roundTrip('PRIORITY', Priority, uint(32)),
  roundTrip('USE-CANDIDATE', UseCandidate, fc.constant(true as const)),
  roundTrip('ICE-CONTROLLED', IceControlled, uint64),
  roundTrip('ICE-CONTROLLING', IceControlling, uint64),
  roundTrip('NOMINATION', Nomination, uint(32)),
  roundTrip('CHANNEL-NUMBER', turn.ChannelNumber, uint(16)),
  roundTrip('LIFETIME', turn.Lifetime, uint(32)),
  roundTrip('REQUESTED-TRANSPORT', turn.RequestedTransport, uint(8)),
  roundTrip('DONT-FRAGMENT', turn.DontFragment, fc.constant(true as const)),
  roundTrip('REQUESTED-ADDRESS-FAMILY', turn.RequestedAddressFamily, family),
  roundTrip('ADDITIONAL-ADDRESS-FAMILY', turn.AdditionalAddressFamily, family),
  roundTrip('EVEN-PORT', turn.EvenPort, fc.record({ reserveNext: fc.boolean() })),
  roundTrip('ICMP', turn.Icmp, fc.record({ icmpType: uint(7), icmpCode: uint(9), errorData: uint(32) })),
  roundTrip(
    'CHANGE-REQUEST',
    ChangeRequest,
    fc.record({ changeAddress: fc.boolean(), changePort: fc.boolean() }),
  ),
  roundTrip('RESPONSE-PORT', ResponsePort, uint(16)),
];

describe('STUN attributes', () => {
  it.each(CASES)('%s carries every value there and back', (_, check) => {
    check();
  });

  it.each(CASES)('%s takes any bytes and answers with a value or a typed reason', (_, __, codec) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), transactionId, (value, id) => {
        const result = codec.decode(value, id);
        expect(
          result.ok || (result.reason.length > 0 && result.at >= 0 && result.at <= Math.max(value.length, 4)),
        ).toBe(true);
      }),
    );
  });

  it('says what is wrong with a value', () => {
    const id = new Uint8Array(12);
    const reasons = {
      family: address.MappedAddress.decode(Uint8Array.of(0, 3, 0, 1, 1, 2, 3, 4), id),
      shortAddress: address.XorMappedAddress.decode(Uint8Array.of(0, 1, 0), id),
      addressLength: address.XorMappedAddress.decode(Uint8Array.of(0, 1, 0, 1, 1, 2, 3), id),
      utf8: Username.decode(Uint8Array.of(0xc3, 0x28), id),
      username: Username.decode(new Uint8Array(509), id),
      errorFamily: AddressErrorCode.decode(Uint8Array.of(3, 0, 4, 0), id),
      longReason: ErrorCode.decode(new Uint8Array(768), id),
      errorClass: ErrorCode.decode(Uint8Array.of(0, 0, 2, 0), id),
      errorNumber: ErrorCode.decode(Uint8Array.of(0, 0, 4, 100), id),
      odd: UnknownAttributes.decode(Uint8Array.of(1, 2, 3), id),
      truncatedMac: opaque.MessageIntegritySha256.decode(new Uint8Array(12), id),
      flag: UseCandidate.decode(new Uint8Array(4), id),
      algorithmOverrun: PasswordAlgorithms.decode(Uint8Array.of(0, 1, 0, 9), id),
      noAlgorithm: PasswordAlgorithms.decode(new Uint8Array(0), id),
      twoAlgorithms: PasswordAlgorithm.decode(Uint8Array.of(0, 1, 0, 0, 0, 2, 0, 0), id),
    };

    expect(reasons).toEqual({
      family: { ok: false, at: 1, reason: 'unknown-address-family' },
      shortAddress: { ok: false, at: 0, reason: 'wrong-length' },
      addressLength: { ok: false, at: 4, reason: 'wrong-length' },
      utf8: { ok: false, at: 0, reason: 'invalid-text' },
      username: { ok: false, at: 508, reason: 'too-long' },
      errorFamily: { ok: false, at: 0, reason: 'unknown-address-family' },
      longReason: { ok: false, at: 4, reason: 'too-long' },
      errorClass: { ok: false, at: 2, reason: 'out-of-range' },
      errorNumber: { ok: false, at: 3, reason: 'out-of-range' },
      odd: { ok: false, at: 0, reason: 'wrong-length' },
      truncatedMac: { ok: false, at: 0, reason: 'wrong-length' },
      flag: { ok: false, at: 0, reason: 'wrong-length' },
      algorithmOverrun: { ok: false, at: 0, reason: 'wrong-length' },
      noAlgorithm: { ok: false, at: 0, reason: 'wrong-length' },
      twoAlgorithms: { ok: false, at: 0, reason: 'wrong-length' },
    });
  });

  it('refuses to encode what an attribute cannot carry', () => {
    const id = new Uint8Array(12);
    const attempts: (() => unknown)[] = [
      () => Username.encode('x'.repeat(509), id),
      () => ErrorCode.encode({ code: 299, reason: '' }, id),
      () => ErrorCode.encode({ code: 400, reason: 'x'.repeat(764) }, id),
      () => Priority.encode(2 ** 32, id),
      () => Priority.encode(-1, id),
      () => Priority.encode(1.5, id),
      () => IceControlling.encode(-1n, id),
      () => IceControlling.encode(2n ** 64n, id),
      () => turn.ChannelNumber.encode(0x10000, id),
      () => turn.RequestedTransport.encode(256, id),
      () => turn.Icmp.encode({ icmpType: 128, icmpCode: 0, errorData: 0 }, id),
      () => opaque.ReservationToken.encode(new Uint8Array(7), id),
      () => opaque.MessageIntegritySha256.encode(new Uint8Array(17), id),
      () => PasswordAlgorithms.encode([], id),
      () => UnknownAttributes.encode([0x10000], id),
      () => address.XorMappedAddress.encode({ family: 'ipv4', address: 'localhost', port: 1 }, id),
      () => address.XorMappedAddress.encode({ family: 'ipv4', address: '192.0.2.1', port: 65_536 }, id),
    ];

    for (const attempt of attempts) expect(attempt).toThrow(NatError);
  });

  it('keeps U+FFFD, which is text like any other, and a byte order mark', () => {
    const id = new Uint8Array(12);

    for (const value of ['a\ufffdb', '\ufeffa']) {
      expect(Username.decode(Username.encode(value, id), id)).toEqual({ ok: true, value });
    }
  });

  it('hides the address from a middlebox that rewrites addresses it finds in payloads', () => {
    const mapped: TransportAddress = { family: 'ipv4', address: '192.0.2.1', port: 32853 };

    expect([...address.XorMappedAddress.encode(mapped, new Uint8Array(12))]).toEqual([
      0, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43,
    ]);
    expect([...address.MappedAddress.encode(mapped, new Uint8Array(12))]).toEqual([
      0, 1, 0x80, 0x55, 192, 0, 2, 1,
    ]);
  });
});
