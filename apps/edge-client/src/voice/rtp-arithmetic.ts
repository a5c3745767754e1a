/**
 * Arithmetic on the wrapping fields of RTP (RFC 3550 section 5.1): 16-bit sequence numbers and 32-bit timestamps. A distance is
 * signed and means "how far `to` is ahead of `from`", right as long as the two are less than half of the range apart.
 */

/** From -32768 to 32767. */
export function sequenceDistance(from: number, to: number): number {
  return ((to - from) << 16) >> 16;
}

/** From -2^31 to 2^31 - 1. */
export function timestampDistance(from: number, to: number): number {
  return (to - from) | 0;
}

/** `timestamp + ticks`, wrapped to 32 bits. */
export function addToTimestamp(timestamp: number, ticks: number): number {
  return (timestamp + ticks) >>> 0;
}

/** The number without wrap-around that lies nearest to `near` and whose low 32 bits are `timestamp`. */
export function unwrapTimestamp(near: number, timestamp: number): number {
  return near + timestampDistance(near >>> 0, timestamp);
}

/** The number without wrap-around that lies nearest to `near` and whose low 16 bits are `sequenceNumber`. */
export function unwrapSequence(near: number, sequenceNumber: number): number {
  return near + sequenceDistance(near & 0xffff, sequenceNumber);
}
