import { generateKeyPairSync, randomBytes, X509Certificate } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { certificateHoldsKey, deviceCertificate, trustAnchor } from './device-certificate.ts';
import { testDevice } from './testing/session-pair.ts';

describe('Device certificates', () => {
  it('holds the device key, is signed by it and never expires', () => {
    const device = testDevice();
    const leaf = new X509Certificate(deviceCertificate(device.privateKey).certificate);

    expect(leaf.verify(leaf.publicKey)).toBe(true);
    expect(certificateHoldsKey(leaf.raw, device.publicKey)).toBe(true);
    expect([leaf.ca, leaf.subject, leaf.validTo]).toEqual([false, 'CN=parley', 'Dec 31 23:59:59 9999 GMT']);
  });

  it('comes from the anchor that the other end makes of the key alone', () => {
    const [device, other] = [testDevice(), testDevice()];
    const leaf = new X509Certificate(deviceCertificate(device.privateKey).certificate);
    const anchor = new X509Certificate(trustAnchor(device.publicKey));

    expect([anchor.ca, leaf.checkIssued(anchor), leaf.verify(anchor.publicKey)]).toEqual([true, true, true]);
    expect(leaf.checkIssued(new X509Certificate(trustAnchor(other.publicKey)))).toBe(false);
  });

  it('tells another key from the expected one', () => {
    const [device, other] = [testDevice(), testDevice()];
    const leaf = new X509Certificate(deviceCertificate(device.privateKey).certificate);

    expect(certificateHoldsKey(leaf.raw, other.publicKey)).toBe(false);
  });

  it('refuses keys of another kind', () => {
    const invalid = expect.objectContaining({ code: 'EDGE_DEVICE_KEY_INVALID' });
    const { privateKey: p256 } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const { publicKey } = generateKeyPairSync('ed25519');

    expect(() => deviceCertificate(p256)).toThrow(invalid);
    expect(() => deviceCertificate(publicKey)).toThrow(invalid);
    expect(() => trustAnchor(randomBytes(33))).toThrow(invalid);
  });
});
