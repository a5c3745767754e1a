/**
 * The table-of-contents byte of an Opus packet (RFC 6716 section 3.1): enough to refuse what is not one frame of 20 ms before it
 * reaches the decoder.
 *
 * ```
 * | config (5 bits) | s | c (2 bits) |     c: 0 one frame, 1 and 2 two frames, 3 a count in the next byte
 * ```
 */

/** Tenths of a millisecond of one frame, by configuration: SILK, hybrid and CELT (RFC 6716 table 2). */
const SILK_FRAME = [100, 200, 400, 600] as const;
const HYBRID_FRAME = [100, 200] as const;
const CELT_FRAME = [25, 50, 100, 200] as const;
const FIRST_HYBRID = 12;
const FIRST_CELT = 16;
const FRAME_COUNT_MASK = 0x3f;

/** After the voice activity flag of the one SILK frame. */
const REDUNDANCY_FLAG = 0x40;

/** The longest packet (RFC 6716 section 3.2.5, R5). */
const MAX_DURATION_TENTHS = 1_200;

/** Milliseconds of sound in a packet; undefined when the packet cannot be one. */
export function opusPacketDurationMs(packet: Uint8Array): number | undefined {
  const [toc, countByte] = packet;
  if (toc === undefined) return undefined;
  const frames = frameCount(toc, countByte);
  if (frames === undefined) return undefined;
  const tenths = frames * frameTenths(toc >> 3);
  return frames > 0 && tenths <= MAX_DURATION_TENTHS ? tenths / 10 : undefined;
}

function frameCount(toc: number, countByte: number | undefined): number | undefined {
  const code = toc & 3;
  if (code === 3) return countByte === undefined ? undefined : countByte & FRAME_COUNT_MASK;
  return code === 0 ? 1 : 2;
}

function frameTenths(configuration: number): number {
  if (configuration < FIRST_HYBRID) return SILK_FRAME[(configuration & 3) as 0 | 1 | 2 | 3];
  if (configuration < FIRST_CELT) return HYBRID_FRAME[(configuration & 1) as 0 | 1];
  return CELT_FRAME[(configuration & 3) as 0 | 1 | 2 | 3];
}

/**
 * Whether a packet of one 20 ms frame carries a copy of the frame before it: the second header bit of its SILK layer (RFC 6716
 * section 4.2.3). Packets without that layer carry none.
 */
export function opusPacketHasRedundancy(packet: Uint8Array): boolean {
  const [toc, header] = packet;
  if (toc === undefined || header === undefined || toc >> 3 >= FIRST_CELT || (toc & 3) !== 0) return false;
  return (header & REDUNDANCY_FLAG) !== 0;
}
