import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decodeChannelData, encodeChannelData, looksLikeChannelData } from './channel-data.ts';

describe('ChannelData (RFC 8656 §12.4)', () => {
  it('lays out number, length and data', () => {
    expect(encodeChannelData(0x4001, Uint8Array.of(7, 8, 9))).toEqual(
      Uint8Array.of(0x40, 0x01, 0, 3, 7, 8, 9),
    );
  });

  it('round-trips every channel number and length', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0x4000, max: 0x4fff }),
        fc.uint8Array({ maxLength: 1500 }),
        (channel, data) => {
          expect(decodeChannelData(encodeChannelData(channel, data))).toEqual({ channel, data });
        },
      ),
    );
  });

  it('ignores padding after the stated length', () => {
    expect(decodeChannelData(Uint8Array.of(0x4f, 0xff, 0, 1, 5, 0, 0, 0))).toEqual({
      channel: 0x4fff,
      data: Uint8Array.of(5),
    });
  });

  it('accepts data of length zero', () => {
    expect(decodeChannelData(Uint8Array.of(0x40, 0, 0, 0))).toEqual({
      channel: 0x4000,
      data: new Uint8Array(),
    });
  });

  it.each([
    ['an empty datagram', []],
    ['a header cut short', [0x40, 0, 0]],
    ['a length one beyond the datagram', [0x40, 0, 0, 2, 1]],
    ['a length of 65535 with little data', [0x40, 0, 0xff, 0xff, 1, 2]],
    ['a number beyond the first two bits 01', [0x80, 0, 0, 0]],
    ['a STUN header', [0x00, 0x01, 0, 0]],
  ])('refuses %s', (_name, bytes) => {
    expect(decodeChannelData(Uint8Array.from(bytes))).toBeUndefined();
  });

  it('takes a view of the datagram, not a copy', () => {
    const datagram = Uint8Array.of(0x40, 0, 0, 2, 1, 2);

    expect(decodeChannelData(datagram)?.data.buffer).toBe(datagram.buffer);
  });

  it('is told from STUN by its first two bits', () => {
    expect(
      [0x00, 0x3f, 0x40, 0x7f, 0x80, 0xff].map((first) => looksLikeChannelData(Uint8Array.of(first))),
    ).toEqual([false, false, true, true, false, false]);
    expect(looksLikeChannelData(new Uint8Array())).toBe(false);
  });
});
