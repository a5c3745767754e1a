import fc from 'fast-check';
import { base64urlLength, decodeBase64url, encodeBase64url } from './base64url.ts';

describe('base64url', () => {
  it('agrees with the platform for every byte string', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        const text = encodeBase64url(bytes);
        expect(text).toBe(Buffer.from(bytes).toString('base64url'));
        expect(decodeBase64url(text)).toEqual(bytes);
      }),
    );
  });

  it('has one spelling for one byte string', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 40 }), (text) => {
        const bytes = decodeBase64url(text);
        if (bytes) expect(encodeBase64url(bytes)).toBe(text);
      }),
    );
  });

  it('counts the bytes of exactly those texts that it decodes', () => {
    const almost = fc.string({ unit: fc.constantFrom('A', 'B', 'Q', 'g', '_', '-', '='), maxLength: 9 });
    fc.assert(
      fc.property(fc.oneof(almost, fc.string({ maxLength: 40 })), (text) => {
        expect(base64urlLength(text)).toBe(decodeBase64url(text)?.length);
      }),
      { numRuns: 2_000 },
    );
  });

  it.each(['A', 'AB', 'AA=', 'AA==', 'A+', 'A/', 'A A', 'AAA\n', 'ÄA'])('refuses %j', (text) => {
    expect(decodeBase64url(text)).toBeUndefined();
  });
});
