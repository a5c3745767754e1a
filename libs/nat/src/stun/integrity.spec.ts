import { nodeCrypto } from '../node/node-crypto.ts';
import { shortTermKey } from './credentials.ts';
import { verifyFingerprint } from './fingerprint.ts';
import { verifyMessageIntegrity } from './integrity.ts';
import { StunMessageBuilder } from './message-builder.ts';
import { Method } from './message-type.ts';
import { decodeStunMessage } from './message.ts';

describe('verifyMessageIntegrity', () => {
  it('leaves a received Buffer as it was, so that its FINGERPRINT still verifies', () => {
    const key = shortTermKey('a password of some length');
    const bytes = Buffer.from(
      new StunMessageBuilder('request', Method.BINDING, new Uint8Array(12))
        .addMessageIntegrity(nodeCrypto, key)
        .addFingerprint(nodeCrypto)
        .toBytes(),
    );
    const before = Buffer.from(bytes);
    const decoded = decodeStunMessage(bytes);
    if (!decoded.ok) throw new TypeError(decoded.reason);

    expect(verifyMessageIntegrity(decoded.message, nodeCrypto, key)).toBe(true);

    expect(bytes.equals(before)).toBe(true);
    expect(verifyFingerprint(decoded.message, nodeCrypto)).toBe(true);
  });
});
