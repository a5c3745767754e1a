import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { decodeWav, encodeWav, WavFormatError } from './wav.ts';

const AUDIO = { sampleRate: 16_000, channels: 1, bitsPerSample: 16, samples: Buffer.from([1, 2, 3, 4]) };

/** A chunk as RIFF has it: id, length, body, and a byte of padding after an odd length. */
function chunk(id: string, body: Buffer): Buffer {
  const head = Buffer.alloc(8);
  head.write(id, 'latin1');
  head.writeUInt32LE(body.length, 4);
  return Buffer.concat([head, body, Buffer.alloc(body.length % 2)]);
}

function riff(...chunks: readonly Buffer[]): Buffer {
  const content = Buffer.concat([Buffer.from('WAVE', 'latin1'), ...chunks]);
  return chunk('RIFF', content);
}

function format(code = 1): Buffer {
  const body = Buffer.alloc(16);
  body.writeUInt16LE(code, 0);
  body.writeUInt16LE(1, 2);
  body.writeUInt32LE(16_000, 4);
  body.writeUInt16LE(16, 14);
  return chunk('fmt ', body);
}

describe('WAV', () => {
  it('reads back what it wrote', () => {
    expect(decodeWav(encodeWav(AUDIO))).toEqual(AUDIO);
  });

  it('reads back any samples and any format', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 2_000 }),
        fc.constantFrom(8_000, 16_000, 48_000),
        fc.integer({ min: 1, max: 8 }),
        fc.constantFrom(8, 16, 24),
        (bytes, sampleRate, channels, bitsPerSample) => {
          const audio = { sampleRate, channels, bitsPerSample, samples: Buffer.from(bytes) };
          expect(decodeWav(encodeWav(audio))).toEqual(audio);
        },
      ),
    );
  });

  it('writes the header that other programs expect', () => {
    expect(encodeWav(AUDIO).toString('hex')).toBe(
      '52494646' +
        '28000000' +
        '57415645' + // RIFF, 40 bytes follow, WAVE
        '666d7420' +
        '10000000' +
        '0100' +
        '0100' +
        '803e0000' +
        '007d0000' +
        '0200' +
        '1000' + // fmt
        '64617461' +
        '04000000' +
        '01020304', // data
    );
  });

  it('skips chunks that it does not know, also those of an odd length', () => {
    const file = riff(chunk('LIST', Buffer.from('odd')), format(), chunk('data', Buffer.from([7, 8])));

    expect(decodeWav(file).samples).toEqual(Buffer.from([7, 8]));
  });

  it('reads the voice of the demo: 16 kHz, mono, 16 bits', () => {
    const voice = decodeWav(readFileSync(new URL('./voice.wav', import.meta.url)));

    expect(voice).toMatchObject({ sampleRate: 16_000, channels: 1, bitsPerSample: 16 });
    expect(voice.samples.length).toBeGreaterThan(5 * 16_000 * 2);
  });

  it.each([
    ['an empty file', Buffer.alloc(0)],
    ['a text', Buffer.from('hello, this is no audio at all')],
    ['RIFF that is no WAVE', Buffer.concat([Buffer.from('RIFF\0\0\0\0AVI ', 'latin1')])],
    ['compressed audio', riff(format(0x55), chunk('data', Buffer.from([1])))],
    ['samples before their format', riff(chunk('data', Buffer.from([1, 2])), format())],
    ['no samples', riff(format())],
    ['a header that is cut off', encodeWav(AUDIO).subarray(0, 30)],
    ['a format that is cut off', riff(chunk('fmt ', Buffer.from([1])), chunk('data', Buffer.alloc(2)))],
    ['an empty format', riff(chunk('fmt ', Buffer.alloc(0)))],
  ])('refuses %s', (_what, file) => {
    expect(() => decodeWav(file)).toThrow(WavFormatError);
  });

  it('gives audio or a WavFormatError for any bytes, never another error', () => {
    const valid = encodeWav({ ...AUDIO, samples: Buffer.alloc(64) });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { maxLength: 8 }),
        fc.nat(valid.length),
        (changes, length) => {
          const damaged = Buffer.from(valid);
          for (const [at, value] of changes) damaged[at] = value;
          expect(outcomeOf(damaged.subarray(0, length))).toMatch(/^(audio|WavFormatError)$/);
        },
      ),
    );
  });
});

function outcomeOf(file: Buffer): string {
  try {
    decodeWav(file);
    return 'audio';
  } catch (thrown) {
    return (thrown as Error).name;
  }
}
