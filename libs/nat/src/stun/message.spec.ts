import fc from 'fast-check';
import { NatError } from '../errors.ts';
import { transportAddress } from '../net/ip-address.ts';
import { nodeCrypto } from '../node/node-crypto.ts';
import { AttributeType } from './attribute-type.ts';
import { XorPeerAddress } from './attributes/address.ts';
import { Priority } from './attributes/ice.ts';
import { Fingerprint, MessageIntegrity, MessageIntegritySha256 } from './attributes/opaque.ts';
import { Realm, Software, Username } from './attributes/text.ts';
import { shortTermKey } from './credentials.ts';
import { verifyFingerprint } from './fingerprint.ts';
import { verifyMessageIntegrity, verifyMessageIntegritySha256 } from './integrity.ts';
import { StunMessageBuilder } from './message-builder.ts';
import {
  decodeMessageClass,
  decodeMethod,
  encodeMessageType,
  Method,
  type MessageClass,
} from './message-type.ts';
import { decodeStunMessage, looksLikeStun, type StunMessage } from './message.ts';

const ID = Uint8Array.from({ length: 12 }, (_, index) => index + 1);
const KEY = shortTermKey('swordfish');
const CLASSES: readonly MessageClass[] = ['request', 'indication', 'success', 'error'];

function builder(): StunMessageBuilder {
  return new StunMessageBuilder('request', Method.BINDING, ID);
}

function decode(bytes: Uint8Array): StunMessage {
  const result = decodeStunMessage(bytes);
  if (!result.ok) throw new TypeError(`${result.reason} at ${result.at}`);
  return result.message;
}

/** A full message of the kind that ICE sends. */
const ICE_CHECK = builder()
  .add(Username, 'evtj:h6vY')
  .add(Priority, 1)
  .addMessageIntegrity(nodeCrypto, KEY)
  .addMessageIntegritySha256(nodeCrypto, KEY, 16)
  .addFingerprint(nodeCrypto)
  .toBytes();

function changed(bytes: Uint8Array, changes: Readonly<Record<number, number>>): Uint8Array {
  const copy = Uint8Array.from(bytes);
  for (const [index, value] of Object.entries(changes)) copy[Number(index)] = value;
  return copy;
}

describe('STUN message type (RFC 8489 section 5)', () => {
  it.each([
    [0x0001, 'request', 0x001],
    [0x0101, 'success', 0x001],
    [0x0111, 'error', 0x001],
    [0x0011, 'indication', 0x001],
    [0x0016, 'indication', 0x006],
    [0x0113, 'error', 0x003],
    [0x3fff, 'error', 0xfff],
  ] as const)('%p is a %s of method %p', (type, messageClass, method) => {
    expect(encodeMessageType(messageClass, method)).toBe(type);
    expect([decodeMessageClass(type), decodeMethod(type)]).toEqual([messageClass, method]);
  });

  it('round-trips all 16384 types', () => {
    for (let method = 0; method < 0x1000; method += 1) {
      for (const messageClass of CLASSES) {
        const type = encodeMessageType(messageClass, method);
        if (type > 0x3fff || decodeMethod(type) !== method || decodeMessageClass(type) !== messageClass) {
          expect({ type, method, messageClass }).toBeUndefined();
        }
      }
    }
  });
});

describe('decodeStunMessage › malformed datagrams', () => {
  const header = builder().toBytes();
  const overrun = changed(builder().add(Username, 'abcd').toBytes(), { 23: 5 });
  const tooMany = builder();
  for (let index = 0; index < 65; index += 1) tooMany.add(Priority, index);

  it.each([
    ['nothing', new Uint8Array(0), 0, 'too-short'],
    ['a header cut by one byte', header.subarray(0, 19), 19, 'too-short'],
    ['a first bit that is set', changed(header, { 0: 0x80 }), 0, 'not-stun'],
    ['a second bit that is set (ChannelData)', changed(header, { 0: 0x40 }), 0, 'not-stun'],
    ['another cookie', changed(header, { 7: 0 }), 4, 'no-magic-cookie'],
    ['a length of 1', changed(header, { 3: 1 }), 2, 'length-not-multiple-of-4'],
    ['a length beyond the end', changed(header, { 3: 4 }), 2, 'length-mismatch'],
    ['trailing bytes', Uint8Array.from([...header, 0, 0, 0, 0]), 2, 'length-mismatch'],
    ['an attribute beyond the end', overrun, 20, 'attribute-overrun'],
    ['65 attributes', tooMany.toBytes(), 20 + 64 * 8, 'too-many-attributes'],
    [
      'an attribute after FINGERPRINT',
      builder().addFingerprint(nodeCrypto).add(Priority, 1).toBytes(),
      28,
      'attribute-after-fingerprint',
    ],
  ])('%s', (_, bytes, at, reason) => {
    expect(decodeStunMessage(bytes)).toEqual({ ok: false, at, reason });
  });

  it('answers any bytes with a message or a typed reason, and never throws', () => {
    const cookie = fc.uint8Array({ maxLength: 120 }).map((tail) => {
      const padded = new Uint8Array(20 + (tail.length & ~3));
      padded.set(header);
      padded.set(tail.subarray(0, tail.length & ~3), 20);
      padded[3] = tail.length & ~3;
      return padded;
    });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), cookie), (bytes) => {
        expectTyped(bytes);
      }),
      { numRuns: 1000 },
    );
  });

  it('survives every mutation of a real message: changed bytes, cuts and insertions', () => {
    const mutation = fc.tuple(fc.nat(), fc.nat({ max: 255 }), fc.constantFrom('change', 'cut', 'insert'));
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 6 }), (mutations) => {
        let bytes: Uint8Array = Uint8Array.from(ICE_CHECK);
        for (const [position, value, kind] of mutations) {
          const at = position % bytes.length;
          if (kind === 'change') bytes[at] = value;
          if (kind === 'cut')
            bytes = Uint8Array.from([...bytes.subarray(0, at), ...bytes.subarray(at + 1), 0]);
          if (kind === 'insert')
            bytes = Uint8Array.from([...bytes.subarray(0, at), value, ...bytes.subarray(at)]);
        }
        expectTyped(bytes);
      }),
      { numRuns: 1000 },
    );
  });

  function expectTyped(bytes: Uint8Array): void {
    const result = decodeStunMessage(bytes);
    if (!result.ok) {
      expect(result.at).toBeLessThanOrEqual(bytes.length);
      return;
    }
    const { message } = result;
    expect(looksLikeStun(bytes)).toBe(true);
    for (const position of message.attributes)
      expect(message.valueAt(position)).toHaveLength(position.length);
    for (const codec of [Username, Priority, MessageIntegrity, MessageIntegritySha256, Fingerprint])
      message.read<unknown>(codec);
    verifyMessageIntegrity(message, nodeCrypto, KEY);
    verifyMessageIntegritySha256(message, nodeCrypto, KEY);
    verifyFingerprint(message, nodeCrypto);
  }
});

describe('StunMessage', () => {
  it('keeps the received bytes and shows the attributes in their order', () => {
    const message = decode(ICE_CHECK);

    expect(message.bytes).toBe(ICE_CHECK);
    expect(message.transactionId).toEqual(ID);
    expect(message.attributes.map(({ type }) => type)).toEqual([
      AttributeType.USERNAME,
      AttributeType.PRIORITY,
      AttributeType.MESSAGE_INTEGRITY,
      AttributeType.MESSAGE_INTEGRITY_SHA256,
      AttributeType.FINGERPRINT,
    ]);
  });

  it('ignores what follows MESSAGE-INTEGRITY, so that nothing unprotected is trusted', () => {
    const message = decode(
      builder()
        .addMessageIntegrity(nodeCrypto, KEY)
        .add(Username, 'mallory')
        .addMessageIntegritySha256(nodeCrypto, KEY)
        .add(Realm, 'late')
        .addMessageIntegrity(nodeCrypto, KEY)
        .addFingerprint(nodeCrypto)
        .toBytes(),
    );

    expect(message.attributes.map(({ type }) => type)).toEqual([
      AttributeType.MESSAGE_INTEGRITY,
      AttributeType.MESSAGE_INTEGRITY_SHA256,
      AttributeType.FINGERPRINT,
    ]);
    expect(message.read(Username)).toEqual({ ok: false, at: 0, reason: 'absent' });
  });

  it('counts the first of repeated attributes, and gives all of them where a method allows that', () => {
    const peers = [transportAddress('192.0.2.1', 1), transportAddress('2001:db8::2', 2)] as const;
    const message = decode(builder().add(XorPeerAddress, peers[0]).add(XorPeerAddress, peers[1]).toBytes());

    expect(message.get(XorPeerAddress)).toEqual(peers[0]);
    expect(message.readAll(XorPeerAddress)).toEqual({ ok: true, value: peers });
    expect(message.readAll(Realm)).toEqual({ ok: true, value: [] });
  });

  it('tells a malformed attribute from an absent one', () => {
    const message = decode(builder().addRaw(AttributeType.PRIORITY, new Uint8Array(3)).toBytes());

    expect(message.read(Priority)).toEqual({ ok: false, at: 0, reason: 'wrong-length' });
    expect(message.readAll(Priority)).toEqual({ ok: false, at: 0, reason: 'wrong-length' });
    expect(message.get(Priority)).toBeUndefined();
    expect(message.has(Priority)).toBe(true);
  });

  it('lists unknown comprehension-required types once each and keeps optional ones', () => {
    const empty = new Uint8Array(0);
    const message = decode(
      builder()
        .addRaw(0x7ffe, empty)
        .addRaw(0x7ffd, empty)
        .addRaw(0x7ffe, empty)
        .addRaw(0xfffe, empty)
        .add(Software, 'x')
        .add(Priority, 1)
        .toBytes(),
    );

    expect(message.unknownAttributes(new Set([AttributeType.PRIORITY]))).toEqual([0x7ffe, 0x7ffd]);
    expect(message.find(0xfffe)).toBeDefined();
  });

  it('reads a message that lies anywhere in a larger buffer', () => {
    const large = new Uint8Array(ICE_CHECK.length + 7);
    large.set(ICE_CHECK, 7);
    const message = decode(large.subarray(7));

    expect(message.get(Priority)).toBe(1);
    expect(verifyMessageIntegrity(message, nodeCrypto, KEY)).toBe(true);
  });
});

describe('integrity and fingerprint', () => {
  it('verify together, and each by itself', () => {
    const message = decode(ICE_CHECK);

    expect(verifyMessageIntegrity(message, nodeCrypto, KEY)).toBe(true);
    expect(verifyMessageIntegritySha256(message, nodeCrypto, KEY)).toBe(true);
    expect(verifyFingerprint(message, nodeCrypto)).toBe(true);
  });

  it('are false where they are absent', () => {
    const message = decode(builder().toBytes());

    expect(verifyMessageIntegrity(message, nodeCrypto, KEY)).toBe(false);
    expect(verifyMessageIntegritySha256(message, nodeCrypto, KEY)).toBe(false);
    expect(verifyFingerprint(message, nodeCrypto)).toBe(false);
  });

  it('are false where their length is wrong', () => {
    const message = decode(
      builder()
        .addRaw(AttributeType.MESSAGE_INTEGRITY, new Uint8Array(4))
        .addRaw(AttributeType.MESSAGE_INTEGRITY_SHA256, new Uint8Array(8))
        .addRaw(AttributeType.FINGERPRINT, new Uint8Array(0))
        .toBytes(),
    );

    expect(verifyMessageIntegrity(message, nodeCrypto, KEY)).toBe(false);
    expect(verifyMessageIntegritySha256(message, nodeCrypto, KEY)).toBe(false);
    expect(verifyFingerprint(message, nodeCrypto)).toBe(false);
  });

  it('cover the padding as it was received, whatever bytes it has', () => {
    const padded = Uint8Array.from(builder().add(Username, 'abcde').toBytes());
    padded.fill(0x20, padded.length - 3);
    const copy = builder();
    copy.addRaw(AttributeType.USERNAME, padded.subarray(24)).addMessageIntegrity(nodeCrypto, KEY);
    const bytes = Uint8Array.from(copy.toBytes());
    const withoutPadding = changed(bytes, { 23: 5 });

    // The same bytes, once as an 8-byte value and once as 5 bytes with padding: the MAC covers the length field too.
    expect(verifyMessageIntegrity(decode(bytes), nodeCrypto, KEY)).toBe(true);
    expect(verifyMessageIntegrity(decode(withoutPadding), nodeCrypto, KEY)).toBe(false);
    expect(decode(withoutPadding).get(Username)).toBe('abcde');
  });
});

describe('StunMessageBuilder', () => {
  it('refuses a transaction id of another length and a message beyond 64 KiB', () => {
    expect(() => new StunMessageBuilder('request', Method.BINDING, new Uint8Array(16))).toThrow(NatError);
    expect(() => builder().addRaw(1, new Uint8Array(40_000)).addRaw(1, new Uint8Array(40_000))).toThrow(
      NatError,
    );
    expect(() => builder().addMessageIntegritySha256(nodeCrypto, KEY, 12)).toThrow(NatError);
  });

  it('answers with the method and transaction id of the request', () => {
    const request = decode(new StunMessageBuilder('request', Method.REFRESH, ID).toBytes());

    const response = decode(StunMessageBuilder.responseTo(request, 'error').toBytes());

    expect([response.messageClass, response.method]).toEqual(['error', Method.REFRESH]);
    expect(response.transactionId).toEqual(ID);
  });

  it('grows beyond its first buffer', () => {
    const text = 'x'.repeat(500);

    expect(decode(builder().add(Realm, text).add(Software, text).toBytes()).get(Software)).toBe(text);
  });
});
