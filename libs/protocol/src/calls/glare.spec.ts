import fc from 'fast-check';
import { encodeBase64url } from '../encoding/base64url.ts';
import { sessionIdSchema } from '../ids.ts';
import { glareWinner } from './glare.ts';

const bytes = fc.uint8Array({ minLength: 16, maxLength: 16 });
const idOf = (value: Uint8Array) => sessionIdSchema.parse(encodeBase64url(value));

describe('glareWinner', () => {
  it('is the same call on both sides: the one whose bytes sort first', () => {
    fc.assert(
      fc.property(bytes, bytes, (one, other) => {
        const lower = Buffer.compare(one, other) <= 0 ? one : other;
        expect(glareWinner(idOf(one), idOf(other))).toBe(idOf(lower));
        expect(glareWinner(idOf(other), idOf(one))).toBe(idOf(lower));
      }),
    );
  });

  it('compares bytes and not their text: base64url does not sort like them', () => {
    const [low, high] = [new Uint8Array(16).fill(0x68), new Uint8Array(16).fill(0xff)];
    expect(idOf(low) < idOf(high)).toBe(false);
    expect(glareWinner(idOf(low), idOf(high))).toBe(idOf(low));
  });
});
