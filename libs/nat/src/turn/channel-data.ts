/**
 * The ChannelData message (RFC 8656 section 12.4):
 *
 *      0                   1                   2                   3
 *     +-------------------------------+-------------------------------+
 *     |  channel number 0x4000-0x4FFF |   length of the data          |
 *     +-------------------------------+-------------------------------+
 *     |  application data ...                                         |
 *
 * Over UDP nothing needs padding (section 12.5); bytes after the stated length are ignored, a length that exceeds the
 * datagram makes it malformed. Which numbers are in use is for the table of bindings to say. QUIC short headers share the first byte: tell them apart by source address (RFC 9443).
 */

/** RFC 8656 section 12: the smallest and largest number that a client may bind. */
export const CHANNEL_NUMBER_MIN = 0x4000;
export const CHANNEL_NUMBER_MAX = 0x4fff;
/** RFC 5766 section 11 allowed up to here; RFC 8656 reserved the upper three quarters for other protocols on one port. */
export const LEGACY_CHANNEL_NUMBER_MAX = 0x7fff;
export const CHANNEL_DATA_HEADER_BYTES = 4;

export interface ChannelData {
  readonly channel: number;
  /** A view into the datagram, not a copy. */
  readonly data: Uint8Array;
}

export function isChannelNumber(value: number, max = CHANNEL_NUMBER_MAX): boolean {
  return value >= CHANNEL_NUMBER_MIN && value <= max;
}

/** RFC 8656 section 12: first two bits 0b01. Tested before anything else on the data path. */
export function looksLikeChannelData(datagram: Uint8Array): boolean {
  const first = datagram[0];
  return first !== undefined && first >> 6 === 1;
}

export function encodeChannelData(channel: number, data: Uint8Array): Uint8Array {
  const message = new Uint8Array(CHANNEL_DATA_HEADER_BYTES + data.length);
  message[0] = channel >> 8;
  message[1] = channel & 0xff;
  message[2] = data.length >> 8;
  message[3] = data.length & 0xff;
  message.set(data, CHANNEL_DATA_HEADER_BYTES);
  return message;
}

/** `undefined` for what is no ChannelData, a short header or a length that exceeds the datagram. */
export function decodeChannelData(datagram: Uint8Array): ChannelData | undefined {
  const [high, low, lengthHigh, lengthLow] = datagram;
  if (high === undefined || low === undefined || lengthHigh === undefined || lengthLow === undefined)
    return undefined;
  const channel = (high << 8) | low;
  const end = CHANNEL_DATA_HEADER_BYTES + ((lengthHigh << 8) | lengthLow);
  if (!isChannelNumber(channel, LEGACY_CHANNEL_NUMBER_MAX) || end > datagram.length) return undefined;
  return { channel, data: datagram.subarray(CHANNEL_DATA_HEADER_BYTES, end) };
}
