import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decodeBase64Url, encodeBase64, encodeBase64Url } from './base64.ts';

describe('base64 (RFC 4648)', () => {
  it('equals the implementation of the platform', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        expect(encodeBase64(bytes)).toBe(Buffer.from(bytes).toString('base64'));
        expect(encodeBase64Url(bytes)).toBe(Buffer.from(bytes).toString('base64url'));
        expect(decodeBase64Url(encodeBase64Url(bytes))).toEqual(bytes);
      }),
    );
  });

  it.each(['a', 'a+b/', 'AA==', 'AB', 'é'])('refuses %p as base64url', (text) => {
    expect(decodeBase64Url(text)).toBeUndefined();
  });
});
