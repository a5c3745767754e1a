/** Linear PCM audio as a WAV file holds it (RIFF, format 1). */
export interface PcmAudio {
  readonly sampleRate: number;
  readonly channels: number;
  readonly bitsPerSample: number;
  readonly samples: Buffer;
}

export class WavFormatError extends Error {
  override readonly name = 'WavFormatError';
}

const FORMAT_PCM = 1;
const FORMAT_BYTES = 16;
const HEADER_BYTES = 44;

/** @throws WavFormatError for anything but uncompressed PCM */
export function decodeWav(file: Buffer): PcmAudio {
  if (file.toString('latin1', 0, 4) !== 'RIFF' || file.toString('latin1', 8, 12) !== 'WAVE') {
    throw new WavFormatError('not a WAV file');
  }
  let format: Omit<PcmAudio, 'samples'> | undefined;
  for (let at = 12; at + 8 <= file.length;) {
    const id = file.toString('latin1', at, at + 4);
    const length = file.readUInt32LE(at + 4);
    const body = file.subarray(at + 8, at + 8 + length);
    if (id === 'fmt ') {
      if (body.length < FORMAT_BYTES) throw new WavFormatError('the format is cut off');
      if (body.readUInt16LE(0) !== FORMAT_PCM) throw new WavFormatError('only uncompressed PCM is supported');
      format = {
        channels: body.readUInt16LE(2),
        sampleRate: body.readUInt32LE(4),
        bitsPerSample: body.readUInt16LE(14),
      };
    }
    if (id === 'data') {
      if (!format) throw new WavFormatError('samples before their format');
      return { ...format, samples: Buffer.from(body) };
    }
    at += 8 + length + (length % 2); // chunks are padded to even lengths
  }
  throw new WavFormatError('no samples');
}

export function encodeWav({ sampleRate, channels, bitsPerSample, samples }: PcmAudio): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  const frameBytes = (channels * bitsPerSample) / 8;
  header.write('RIFF', 0, 'latin1');
  header.writeUInt32LE(HEADER_BYTES - 8 + samples.length, 4);
  header.write('WAVEfmt ', 8, 'latin1');
  header.writeUInt32LE(FORMAT_BYTES, 16);
  header.writeUInt16LE(FORMAT_PCM, 20);
  header.writeUInt16LE(channels, 22);
  header.writeUInt32LE(sampleRate, 24);
  header.writeUInt32LE(sampleRate * frameBytes, 28);
  header.writeUInt16LE(frameBytes, 32);
  header.writeUInt16LE(bitsPerSample, 34);
  header.write('data', 36, 'latin1');
  header.writeUInt32LE(samples.length, 40);
  return Buffer.concat([header, samples]);
}
