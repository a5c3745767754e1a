import type { OpusSampleRate } from './voice-format.ts';

/** What the voice engine needs of an Opus library; `opus-codec.libopus.ts` is the one implementation. */
export interface OpusCodec {
  createEncoder(options: VoiceEncoderOptions): Promise<VoiceEncoder>;
  createDecoder(options: VoiceDecoderOptions): Promise<VoiceDecoder>;
}

export interface VoiceEncoderOptions {
  readonly sampleRate: OpusSampleRate;
  readonly bitrateBps: number;
  /** Carry a coarse copy of each frame in the next packet (in-band FEC, RFC 6716 section 2.1.7). */
  readonly hasForwardErrorCorrection: boolean;
  /** 0 to 100: how many packets the network is thought to lose, which decides how much is spent on the copies. */
  readonly expectedLossPercent: number;
  /** 0 to 10: processor time against quality. */
  readonly complexity: number;
}

export interface VoiceDecoderOptions {
  readonly sampleRate: OpusSampleRate;
}

/** Mono PCM in frames of 20 ms to Opus packets. */
export interface VoiceEncoder {
  /** @throws EDGE_OPTIONS_INVALID when `pcm` is not 20 ms long */
  encode(pcm: Int16Array): Uint8Array;
  setExpectedLossPercent(percent: number): void;
  /** Gives the memory back; nothing else may be called after it. */
  free(): void;
}

/** Opus packets to mono PCM in frames of 20 ms. Undefined: the packet was no Opus, and the decoder stays usable. */
export interface VoiceDecoder {
  decode(packet: Uint8Array): Int16Array | undefined;
  /** The frame before `next`, from the copy in it (or concealed where `next` carries none). */
  recover(next: Uint8Array): Int16Array | undefined;
  /** A frame that continues what was heard, fading out when it goes on. */
  conceal(): Int16Array;
  /** Gives the memory back; nothing else may be called after it. */
  free(): void;
}
