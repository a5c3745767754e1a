import { Application, Signal, createDecoder, createEncoder, isOpusError } from 'libopus-wasm';
import type { OpusDecoderHandle, OpusEncoderHandle } from 'libopus-wasm';
import { edgeError } from '../errors.ts';
import type {
  OpusCodec,
  VoiceDecoder,
  VoiceDecoderOptions,
  VoiceEncoder,
  VoiceEncoderOptions,
} from './opus-codec.ts';
import { samplesPerFrame } from './voice-format.ts';

/** Well above the 1,200 bytes that a datagram could carry; the bitrate keeps packets far below it. */
const MAX_PACKET_BYTES = 1_275;

const MONO = 1;

/** The reference Opus library, compiled to WebAssembly: the same on every platform, nothing to build. */
export const libopus: OpusCodec = {
  async createEncoder(options: VoiceEncoderOptions): Promise<VoiceEncoder> {
    const handle = await createEncoder({
      sampleRate: options.sampleRate,
      channels: MONO,
      frameSize: samplesPerFrame(options.sampleRate),
      application: Application.Voip,
      signal: Signal.Voice,
      bitrate: options.bitrateBps,
      complexity: options.complexity,
      fec: options.hasForwardErrorCorrection,
      packetLossPercent: options.expectedLossPercent,
    });
    return new LibopusEncoder(handle);
  },

  async createDecoder({ sampleRate }: VoiceDecoderOptions): Promise<VoiceDecoder> {
    return new LibopusDecoder(await createDecoder({ sampleRate, channels: MONO }));
  },
};

class LibopusEncoder implements VoiceEncoder {
  private readonly handle: OpusEncoderHandle;

  constructor(handle: OpusEncoderHandle) {
    this.handle = handle;
  }

  encode(pcm: Int16Array): Uint8Array {
    if (pcm.length !== this.handle.frameSize) {
      throw edgeError('EDGE_OPTIONS_INVALID', {
        message: `A voice frame has ${this.handle.frameSize} samples.`,
      });
    }
    return this.handle.encode(pcm, { maxPacketBytes: MAX_PACKET_BYTES });
  }

  setExpectedLossPercent(percent: number): void {
    this.handle.setPacketLossPercent(percent);
  }

  free(): void {
    this.handle.free();
  }
}

class LibopusDecoder implements VoiceDecoder {
  private readonly handle: OpusDecoderHandle;
  private readonly frameSize: number;

  constructor(handle: OpusDecoderHandle) {
    this.handle = handle;
    this.frameSize = samplesPerFrame(handle.sampleRate);
  }

  decode(packet: Uint8Array): Int16Array | undefined {
    return unlessMalformed(() => this.handle.decode(packet));
  }

  recover(next: Uint8Array): Int16Array | undefined {
    return unlessMalformed(() => this.handle.decode(next, { decodeFec: true, frameSize: this.frameSize }));
  }

  conceal(): Int16Array {
    return this.handle.decodePacketLoss(this.frameSize);
  }

  free(): void {
    this.handle.free();
  }
}

/** Packets come from the other end: what the library refuses is an answer, everything else is a bug. */
function unlessMalformed(decode: () => Int16Array): Int16Array | undefined {
  try {
    return decode();
  } catch (error) {
    if (isOpusError(error)) return undefined;
    throw error;
  }
}
