/**
 * The one voice format of Parley: mono Opus in frames of 20 ms. RTP counts Opus time at 48 kHz whatever the codec runs at
 * (RFC 7587 section 4.1).
 */
export const FRAME_MS = 20;
export const RTP_CLOCK_HZ = 48_000;
export const RTP_TICKS_PER_MS = RTP_CLOCK_HZ / 1_000;
export const RTP_TICKS_PER_FRAME = FRAME_MS * RTP_TICKS_PER_MS;

/** Rates at which Opus runs natively (RFC 6716 section 2); both ends may use different ones. */
export const OPUS_SAMPLE_RATES = [8_000, 12_000, 16_000, 24_000, 48_000] as const;
export type OpusSampleRate = (typeof OPUS_SAMPLE_RATES)[number];

/** Wideband: what speech needs, at a third of the work of 48 kHz. */
export const DEFAULT_SAMPLE_RATE: OpusSampleRate = 16_000;

export function isOpusSampleRate(rate: number): rate is OpusSampleRate {
  return (OPUS_SAMPLE_RATES as readonly number[]).includes(rate);
}

/** Samples of one frame of 20 ms. */
export function samplesPerFrame(sampleRate: number): number {
  return (sampleRate * FRAME_MS) / 1_000;
}

/**
 * RTP payload types that are spoken here, all dynamic (RFC 3551 section 3). None may collide with RTCP, which shares the
 * datagrams: 64 to 95 stay free (RFC 5761 section 4).
 */
export const PAYLOAD_TYPE = { opus: 111, redundant: 112 } as const;
