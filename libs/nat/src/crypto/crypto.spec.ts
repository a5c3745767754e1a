import fc from 'fast-check';
import { nodeCrypto } from '../node/node-crypto.ts';
import { constantTimeEqual } from './constant-time-equal.ts';
import { crc32 } from './crc32.ts';

const CHECK_INPUT = new TextEncoder().encode('123456789');

describe('crc32', () => {
  it('gives the check value of CRC-32/ISO-HDLC', () => {
    expect(crc32(CHECK_INPUT)).toBe(0xcbf43926);
    expect(nodeCrypto.crc32(CHECK_INPUT)).toBe(0xcbf43926);
  });

  it('agrees with the one of the platform', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (data) => {
        expect(crc32(data)).toBe(nodeCrypto.crc32(data));
      }),
    );
  });
});

describe('constantTimeEqual', () => {
  it('says whether the bytes are the same', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1 }),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (data, at, change) => {
          const other = Uint8Array.from(data);
          const index = at % data.length;
          other[index] = (other[index] as number) ^ change;

          expect(constantTimeEqual(data, Uint8Array.from(data))).toBe(true);
          expect(constantTimeEqual(data, other)).toBe(false);
          expect(constantTimeEqual(data, data.subarray(1))).toBe(false);
        },
      ),
    );
  });
});

describe('nodeCrypto', () => {
  it('draws as many random bytes as asked, different ones each time', () => {
    const [a, b] = [nodeCrypto.randomBytes(12), nodeCrypto.randomBytes(12)];

    expect([a.length, b.length]).toEqual([12, 12]);
    expect(constantTimeEqual(a, b)).toBe(false);
  });

  it.each([
    ['md5', nodeCrypto.md5(CHECK_INPUT), '25f9e794323b453885f5181f1b624d0b'],
    [
      'sha256',
      nodeCrypto.sha256(CHECK_INPUT),
      '15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225',
    ],
  ])('%s', (_, digest, hex) => {
    expect(Buffer.from(digest).toString('hex')).toBe(hex);
  });
});
