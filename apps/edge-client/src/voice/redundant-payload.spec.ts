import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decodeRedundantPayload, encodeRedundantPayload } from './redundant-payload.ts';

describe('Redundant payload (RFC 2198)', () => {
  it('is laid out as the RFC says', () => {
    const bytes = encodeRedundantPayload(Uint8Array.of(7, 8, 9), {
      ticksBefore: 960,
      payload: Uint8Array.of(1, 2),
    });

    // 1 | 111, then 960 in 14 bits and 2 in 10 bits, then 0 | 111
    expect([...bytes]).toEqual([0xef, 0x0f, 0x00, 0x02, 0x6f, 1, 2, 7, 8, 9]);
  });

  it('reads what it wrote, and more than one copy', () => {
    const payload = fc.uint8Array({ minLength: 1, maxLength: 1_023 });
    fc.assert(
      fc.property(payload, payload, fc.integer({ min: 0, max: 16_383 }), (primary, copy, ticksBefore) => {
        const bytes = encodeRedundantPayload(primary, { ticksBefore, payload: copy });
        expect(decodeRedundantPayload(bytes)).toEqual({ primary, copies: [{ ticksBefore, payload: copy }] });
      }),
    );
    const two = Uint8Array.of(0xef, 0x1e, 0x00, 0x01, 0xef, 0x0f, 0x00, 0x02, 0x6f, 4, 5, 6, 7);
    expect(decodeRedundantPayload(two)).toEqual({
      primary: Uint8Array.of(7),
      copies: [
        { ticksBefore: 1_920, payload: Uint8Array.of(4) },
        { ticksBefore: 960, payload: Uint8Array.of(5, 6) },
      ],
    });
  });

  it.each([
    ['nothing', []],
    ['a header that is cut off', [0xef, 0x0f, 0x00]],
    ['no header of the payload', [0xef, 0x0f, 0x00, 0x00]],
    ['a copy longer than the packet', [0xef, 0x0f, 0x00, 0x09, 0x6f, 1, 2]],
    ['a copy and no payload', [0xef, 0x0f, 0x00, 0x02, 0x6f, 1, 2]],
    ['another codec', [0xef, 0x0f, 0x00, 0x01, 0x60, 1, 2]],
    ['a copy by another codec', [0xe0, 0x0f, 0x00, 0x01, 0x6f, 1, 2]],
  ])('refuses %s', (_what, bytes) => {
    expect(decodeRedundantPayload(Uint8Array.from(bytes))).toBeUndefined();
  });

  it('reads or refuses any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.boolean(), (noise, isNear) => {
        const bytes = isNear ? Uint8Array.of(0xef, ...noise) : noise;
        const decoded = decodeRedundantPayload(bytes);
        if (decoded) expect(decoded.primary.length).toBeGreaterThan(0);
      }),
    );
  });
});
