import { describe, expect, it } from '@jest/globals';
import { opusPacketDurationMs, opusPacketHasRedundancy } from './opus-packet.ts';

const toc = (configuration: number, code: number): number => (configuration << 3) | code;

describe('Opus packet (RFC 6716 section 3)', () => {
  it.each([
    ['SILK 10 ms', [toc(0, 0)], 10],
    ['SILK 20 ms', [toc(9, 0)], 20],
    ['SILK 60 ms', [toc(11, 0)], 60],
    ['hybrid 10 ms', [toc(12, 0)], 10],
    ['hybrid 20 ms', [toc(15, 0)], 20],
    ['CELT 2.5 ms', [toc(16, 0)], 2.5],
    ['CELT 20 ms', [toc(31, 0)], 20],
    ['two frames of 10 ms', [toc(8, 1)], 20],
    ['two frames of 20 ms of different size', [toc(9, 2)], 40],
    ['three frames of 20 ms', [toc(9, 3), 3], 60],
    ['the longest packet', [toc(31, 3), 6], 120],
  ])('knows the duration of %s', (_what, bytes, duration) => {
    expect(opusPacketDurationMs(Uint8Array.from(bytes))).toBe(duration);
  });

  it.each([
    ['an empty packet', []],
    ['a packet without its count', [toc(9, 3)]],
    ['no frames', [toc(9, 3), 0]],
    ['more than 120 ms', [toc(31, 3), 7]],
  ])('has no duration for %s', (_what, bytes) => {
    expect(opusPacketDurationMs(Uint8Array.from(bytes))).toBeUndefined();
  });

  it('sees the copy of the frame before in the SILK layer only', () => {
    expect(opusPacketHasRedundancy(Uint8Array.of(toc(9, 0), 0x40))).toBe(true);
    expect(opusPacketHasRedundancy(Uint8Array.of(toc(9, 0), 0xbf))).toBe(false);
    expect(opusPacketHasRedundancy(Uint8Array.of(toc(31, 0), 0x40))).toBe(false);
    expect(opusPacketHasRedundancy(Uint8Array.of(toc(9, 0)))).toBe(false);
  });
});
