/** 20 ms of 16 kHz mono PCM with 16 bits per sample. */
export const FRAME_MS = 20;
export const SAMPLES_PER_FRAME = 320;
export const FRAME_BYTES = SAMPLES_PER_FRAME * 2;

const HEADER_BYTES = 8;

/** One datagram of voice: sequence number and time stamp (in samples), each 32 bits big-endian, then the samples. */
export interface VoiceFrame {
  readonly sequence: number;
  readonly timestamp: number;
  readonly samples: Uint8Array;
}

export function encodeVoiceFrame({ sequence, timestamp, samples }: VoiceFrame): Uint8Array {
  const bytes = Buffer.alloc(HEADER_BYTES + samples.length);
  bytes.writeUInt32BE(sequence, 0);
  bytes.writeUInt32BE(timestamp, 4);
  bytes.set(samples, HEADER_BYTES);
  return bytes;
}

/** Undefined for a datagram that is no frame of this size. */
export function decodeVoiceFrame(bytes: Uint8Array): VoiceFrame | undefined {
  if (bytes.length !== HEADER_BYTES + FRAME_BYTES) return undefined;
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return {
    sequence: view.readUInt32BE(0),
    timestamp: view.readUInt32BE(4),
    samples: Uint8Array.from(view.subarray(HEADER_BYTES)),
  };
}
