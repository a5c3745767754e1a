import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decodeWav, encodeWav } from './wav-file.ts';

const samples = Int16Array.of(0, 1, -1, 32767, -32768);

describe('WAV file', () => {
  it('decodes what it encodes', () => {
    fc.assert(
      fc.property(fc.int16Array(), fc.constantFrom(8_000, 16_000, 44_100, 48_000), (pcm, sampleRate) => {
        expect(decodeWav(encodeWav({ sampleRate, samples: pcm }))).toEqual({
          ok: true,
          audio: { sampleRate, samples: pcm },
        });
      }),
    );
  });

  it('skips other chunks, also those of odd length', () => {
    const file = Buffer.from(encodeWav({ sampleRate: 16_000, samples }));
    const list = Buffer.from('LIST\x03\0\0\0abc\0', 'latin1');
    const withList = Buffer.concat([file.subarray(0, 36), list, file.subarray(36)]);

    expect(decodeWav(withList)).toEqual({ ok: true, audio: { sampleRate: 16_000, samples } });
  });

  it('mixes stereo to mono', () => {
    const file = Buffer.from(encodeWav({ sampleRate: 16_000, samples: Int16Array.of(100, 300, -10, -20) }));
    file.writeUInt16LE(2, 22);

    const decoded = decodeWav(file);

    expect(decoded.ok && [...decoded.audio.samples]).toEqual([200, -15]);
  });

  it('takes a recording that was cut off as far as it goes', () => {
    const file = Buffer.from(encodeWav({ sampleRate: 16_000, samples }));
    file.writeUInt32LE(0xffffffff, 40);

    const decoded = decodeWav(file.subarray(0, -1));

    expect(decoded.ok && [...decoded.audio.samples]).toEqual([0, 1, -1, 32767]);
  });

  it.each([
    ['something else', (file: Buffer) => file.fill(0x20, 0, 4), 'not-wav'],
    ['compressed sound', (file: Buffer) => file.writeUInt16LE(6, 20), 'not-16-bit-pcm'],
    ['8 bits per sample', (file: Buffer) => file.writeUInt16LE(8, 34), 'not-16-bit-pcm'],
    ['no channels', (file: Buffer) => file.writeUInt16LE(0, 22), 'bad-format'],
    ['a rate of 0', (file: Buffer) => file.writeUInt32LE(0, 24), 'bad-format'],
    ['samples before their format', (file: Buffer) => file.fill(0x20, 12, 16), 'bad-format'],
    ['no samples', (file: Buffer) => file.fill(0x20, 36, 40), 'no-samples'],
  ] as const)('refuses %s', (_what, damage, reason) => {
    const file = Buffer.from(encodeWav({ sampleRate: 16_000, samples }));
    damage(file);

    expect(decodeWav(file)).toEqual({ ok: false, reason });
  });

  it('never throws', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.nat(79), (noise, at) => {
        const file = encodeWav({ sampleRate: 16_000, samples });
        file.set(noise.subarray(0, Math.max(0, file.length - at)), Math.min(at, file.length));
        expect(typeof decodeWav(file).ok).toBe('boolean');
      }),
      { numRuns: 1_000 },
    );
  });
});
