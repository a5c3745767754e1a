/** The test vectors of RFC 5769 (2.1 to 2.4) and of RFC 8489 appendix B.1 (as corrected by erratum 6268), byte for byte. */
import { transportAddress } from '../net/ip-address.ts';
import { nodeCrypto } from '../node/node-crypto.ts';
import { XorMappedAddress } from './attributes/address.ts';
import { IceControlled, Priority } from './attributes/ice.ts';
import { Userhash } from './attributes/opaque.ts';
import { PasswordAlgorithm } from './attributes/password-algorithm.ts';
import { Nonce, Realm, Software, Username } from './attributes/text.ts';
import { longTermKey, shortTermKey, userhash } from './credentials.ts';
import { verifyFingerprint } from './fingerprint.ts';
import { verifyMessageIntegrity, verifyMessageIntegritySha256 } from './integrity.ts';
import { StunMessageBuilder } from './message-builder.ts';
import { Method } from './message-type.ts';
import { decodeStunMessage, type StunMessage } from './message.ts';

const SHORT_TERM_PASSWORD = 'VOkJxbRl1RmTxUk/WvJxBt';
const USERNAME = '\u30de\u30c8\u30ea\u30c3\u30af\u30b9';
const LONG_TERM = { username: USERNAME, realm: 'example.org', password: 'TheMatrIX' };
const TRANSACTION_ID = hex('b7e7a701 bc34d686 fa87dfae');
const LONG_TERM_TRANSACTION_ID = hex('78ad3433 c6ad72c0 29da412e');

const SAMPLE_REQUEST = hex(`
  00010058 2112a442 b7e7a701 bc34d686 fa87dfae
  80220010 5354554e 20746573 7420636c 69656e74
  00240004 6e0001ff
  80290008 932ff9b1 51263b36
  00060009 6576746a 3a683676 59202020
  00080014 9aeaa70c bfd8cb56 781ef2b5 b2d3f249 c1b571a2
  80280004 e57a3bcf`);

const SAMPLE_IPV4_RESPONSE = hex(`
  0101003c 2112a442 b7e7a701 bc34d686 fa87dfae
  8022000b 74657374 20766563 746f7220
  00200008 0001a147 e112a643
  00080014 2b91f599 fd9e90c3 8c7489f9 2af9ba53 f06be7d7
  80280004 c07d4c96`);

const SAMPLE_IPV6_RESPONSE = hex(`
  01010048 2112a442 b7e7a701 bc34d686 fa87dfae
  8022000b 74657374 20766563 746f7220
  00200014 0002a147 0113a9fa a5d3f179 bc25f4b5 bed2b9d9
  00080014 a382954e 4be67bf1 1784c97c 8292c275 bfe3ed41
  80280004 c8fb0b4c`);

const SAMPLE_LONG_TERM_REQUEST = hex(`
  00010060 2112a442 78ad3433 c6ad72c0 29da412e
  00060012 e3839ee3 8388e383 aae38383 e382afe3 82b90000
  0015001c 662f2f34 39396b39 35346436 4f4c3334 6f4c3946 53547679 36347341
  0014000b 6578616d 706c652e 6f726700
  00080014 f6702465 6dd64a3e 02b8e071 2e85c9a2 8ca89666`);

const SAMPLE_SHA256_REQUEST = hex(`
  00010090 2112a442 78ad3433 c6ad72c0 29da412e
  001e0020 4a3cf38f ef6992bd a952c678 0417da0f 24819415 569e60b2 05c46e41 407f1704
  00150029 6f624d61 744a6f73 32414141 43662f2f 3439396b 39353464 364f4c33 346f4c39 46535476 79363473 41000000
  0014000b 6578616d 706c652e 6f726700
  001d0004 00020000
  001c0020 b5c7bf00 5b6c52a2 1c51c5e8 92f81924 136296cb 927c4314 9309278c c6518e65`);

function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replace(/\s/g, ''), 'hex'));
}

function decode(bytes: Uint8Array): StunMessage {
  const result = decodeStunMessage(bytes);
  if (!result.ok) throw new TypeError(`${result.reason} at ${result.at}`);
  return result.message;
}

/** Every single-bit change of a message must be noticed by `verify`. */
function expectEveryChangeNoticed(bytes: Uint8Array, verify: (message: StunMessage) => boolean): void {
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const changed = Uint8Array.from(bytes);
    changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
    const result = decodeStunMessage(changed);
    expect(result.ok && verify(result.message)).toBe(false);
  }
}

describe('RFC 5769', () => {
  it('2.1: sample request', () => {
    const message = decode(SAMPLE_REQUEST);

    expect([message.messageClass, message.method]).toEqual(['request', Method.BINDING]);
    expect(message.transactionId).toEqual(TRANSACTION_ID);
    expect(message.get(Software)).toBe('STUN test client');
    expect(message.get(Priority)).toBe(0x6e0001ff);
    expect(message.get(IceControlled)).toBe(0x932ff9b151263b36n);
    expect(message.get(Username)).toBe('evtj:h6vY');
    expect(verifyMessageIntegrity(message, nodeCrypto, shortTermKey(SHORT_TERM_PASSWORD))).toBe(true);
    expect(verifyFingerprint(message, nodeCrypto)).toBe(true);
  });

  it.each([
    ['2.2: sample IPv4 response', SAMPLE_IPV4_RESPONSE, transportAddress('192.0.2.1', 32853)],
    [
      '2.3: sample IPv6 response',
      SAMPLE_IPV6_RESPONSE,
      transportAddress('2001:db8:1234:5678:11:2233:4455:6677', 32853),
    ],
  ])('%s', (_, bytes, mapped) => {
    const message = decode(bytes);

    expect([message.messageClass, message.method]).toEqual(['success', Method.BINDING]);
    expect(message.get(Software)).toBe('test vector');
    expect(message.get(XorMappedAddress)).toEqual(mapped);
    expect(verifyMessageIntegrity(message, nodeCrypto, shortTermKey(SHORT_TERM_PASSWORD))).toBe(true);
    expect(verifyFingerprint(message, nodeCrypto)).toBe(true);
  });

  it('2.4: sample request with long-term authentication', () => {
    const message = decode(SAMPLE_LONG_TERM_REQUEST);

    expect(message.get(Username)).toBe(USERNAME);
    expect(message.get(Nonce)).toBe('f//499k954d6OL34oL9FSTvy64sA');
    expect(message.get(Realm)).toBe('example.org');
    expect(verifyMessageIntegrity(message, nodeCrypto, longTermKey(nodeCrypto, LONG_TERM, 'md5'))).toBe(true);
    expect(verifyFingerprint(message, nodeCrypto)).toBe(false);
  });

  it('2.4: the builder writes the same bytes', () => {
    const bytes = new StunMessageBuilder('request', Method.BINDING, LONG_TERM_TRANSACTION_ID)
      .add(Username, USERNAME)
      .add(Nonce, 'f//499k954d6OL34oL9FSTvy64sA')
      .add(Realm, 'example.org')
      .addMessageIntegrity(nodeCrypto, longTermKey(nodeCrypto, LONG_TERM, 'md5'))
      .toBytes();

    expect(bytes).toEqual(SAMPLE_LONG_TERM_REQUEST);
  });

  it('a wrong key does not verify', () => {
    expect(verifyMessageIntegrity(decode(SAMPLE_REQUEST), nodeCrypto, shortTermKey('other'))).toBe(false);
  });

  it('every changed bit up to MESSAGE-INTEGRITY is noticed by it, every bit at all by FINGERPRINT', () => {
    const key = shortTermKey(SHORT_TERM_PASSWORD);

    expectEveryChangeNoticed(SAMPLE_REQUEST, (message) => verifyFingerprint(message, nodeCrypto));
    expectEveryChangeNoticed(SAMPLE_LONG_TERM_REQUEST, (message) =>
      verifyMessageIntegrity(message, nodeCrypto, longTermKey(nodeCrypto, LONG_TERM, 'md5')),
    );
    expect(verifyMessageIntegrity(decode(SAMPLE_REQUEST), nodeCrypto, key)).toBe(true);
  });
});

describe('RFC 8489 appendix B.1', () => {
  const key = longTermKey(nodeCrypto, LONG_TERM, 'sha-256');

  it('verifies', () => {
    const message = decode(SAMPLE_SHA256_REQUEST);

    expect(message.get(Userhash)).toEqual(Uint8Array.from(userhash(nodeCrypto, USERNAME, 'example.org')));
    expect(message.get(PasswordAlgorithm)).toEqual({ algorithm: 2, parameters: new Uint8Array(0) });
    expect(verifyMessageIntegritySha256(message, nodeCrypto, key)).toBe(true);
    expectEveryChangeNoticed(SAMPLE_SHA256_REQUEST, (changed) =>
      verifyMessageIntegritySha256(changed, nodeCrypto, key),
    );
  });

  it('the builder writes the same bytes', () => {
    const bytes = new StunMessageBuilder('request', Method.BINDING, LONG_TERM_TRANSACTION_ID)
      .add(Userhash, userhash(nodeCrypto, USERNAME, 'example.org'))
      .add(Nonce, 'obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA')
      .add(Realm, 'example.org')
      .add(PasswordAlgorithm, { algorithm: 2, parameters: new Uint8Array(0) })
      .addMessageIntegritySha256(nodeCrypto, key)
      .toBytes();

    expect(bytes).toEqual(SAMPLE_SHA256_REQUEST);
  });
});
