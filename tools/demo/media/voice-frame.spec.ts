import { describe, expect, it } from '@jest/globals';
import { decodeVoiceFrame, encodeVoiceFrame, FRAME_BYTES } from './voice-frame.ts';

const SAMPLES = new Uint8Array(FRAME_BYTES).map((_, at) => at % 251);

describe('voice frame', () => {
  it('puts sequence number and time stamp before the samples, big-endian', () => {
    const bytes = encodeVoiceFrame({ sequence: 0x01020304, timestamp: 0x0a0b0c0d, samples: SAMPLES });

    expect(Buffer.from(bytes.subarray(0, 8)).toString('hex')).toBe('010203040a0b0c0d');
    expect(bytes.subarray(8)).toEqual(Buffer.from(SAMPLES));
  });

  it.each([0, 1, 2 ** 31, 2 ** 32 - 1])('comes back as it was, with the number %d', (number) => {
    const frame = { sequence: number, timestamp: number, samples: SAMPLES };

    expect(decodeVoiceFrame(encodeVoiceFrame(frame))).toEqual(frame);
  });

  it('is read from the middle of a buffer too, and keeps nothing of it', () => {
    const encoded = encodeVoiceFrame({ sequence: 5, timestamp: 6, samples: SAMPLES });
    const buffer = new Uint8Array(encoded.length + 20);
    buffer.set(encoded, 13);

    const frame = decodeVoiceFrame(buffer.subarray(13, 13 + encoded.length));
    buffer.fill(0);

    expect(frame).toEqual({ sequence: 5, timestamp: 6, samples: SAMPLES });
  });

  it.each([0, 7, 8, 8 + FRAME_BYTES - 1, 8 + FRAME_BYTES + 1])('is not a datagram of %d bytes', (length) => {
    expect(decodeVoiceFrame(new Uint8Array(length))).toBeUndefined();
  });
});
