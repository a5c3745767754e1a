import { randomBytes } from 'node:crypto';

/**
 * Connection ids tell the sessions on one UDP socket apart (RFC 9000 section 5.1). All of ours have the same length, since
 * a short header does not state it.
 *
 * Long header (section 17.2):  1xxxxxxx | version (4) | length (1) | destination id | ...
 * Short header (section 17.3): 01xxxxxx | destination id (16) | ...
 */
export const CONNECTION_ID_BYTES = 16;

const LONG_HEADER = 0x80;
const FIXED_BIT = 0x40;
const LONG_ID_LENGTH_AT = 5;

/** A fresh unpredictable id. */
export function newConnectionId(): Uint8Array {
  return randomBytes(CONNECTION_ID_BYTES);
}

/** The spelling of an id in tables. */
export function connectionIdKey(id: Uint8Array): string {
  return Buffer.from(id.buffer, id.byteOffset, id.byteLength).toString('hex');
}

/**
 * The destination connection id of a packet in hexadecimal, or undefined when it is no QUIC packet of ours. The answer is a
 * hint for routing only: nothing is authenticated here.
 */
export function connectionIdOf(packet: Uint8Array): string | undefined {
  const start = idOffset(packet);
  return start === undefined
    ? undefined
    : connectionIdKey(packet.subarray(start, start + CONNECTION_ID_BYTES));
}

/** True when a packet is for one of `ids`; for the hot path, where {@link connectionIdOf} would make a text per packet. */
export function isForConnection(packet: Uint8Array, ids: readonly Uint8Array[]): boolean {
  const start = idOffset(packet);
  if (start === undefined) return false;
  for (const id of ids) if (holdsAt(packet, start, id)) return true;
  return false;
}

/** A plain loop: a callback per byte showed in profiles of a busy receiver. */
function holdsAt(packet: Uint8Array, start: number, id: Uint8Array): boolean {
  for (let index = 0; index < id.length; index += 1) if (packet[start + index] !== id[index]) return false;
  return true;
}

function idOffset(packet: Uint8Array): number | undefined {
  const first = packet[0];
  if (first === undefined || (first & FIXED_BIT) === 0) return undefined;
  const isLong = (first & LONG_HEADER) !== 0;
  if (isLong && packet[LONG_ID_LENGTH_AT] !== CONNECTION_ID_BYTES) return undefined;
  const start = isLong ? LONG_ID_LENGTH_AT + 1 : 1;
  return packet.length < start + CONNECTION_ID_BYTES ? undefined : start;
}
