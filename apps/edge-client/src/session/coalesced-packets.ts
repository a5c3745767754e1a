/**
 * Several QUIC packets may share one UDP payload (RFC 9000 section 12.2). Long headers state their length (section 17.2):
 *
 *   11TTxxxx | version (4) | length, destination id | length, source id | [Initial: token length (i), token] | length (i) | ...
 */
const LONG_HEADER = 0x80;
/** Set in every packet (RFC 9000 section 17), so what has it clear behind a packet is padding, which quiche adds. */
const FIXED_BIT = 0x40;
const TYPE_MASK = 0x30;
const TYPE_INITIAL = 0x00;
const TYPE_RETRY = 0x30;
const FIRST_ID_AT = 5;

/** The packets of one UDP payload, in order, as views, without padding. What cannot be told apart stays in one piece. */
export function splitCoalesced(payload: Uint8Array): readonly Uint8Array[] {
  const packets: Uint8Array[] = [];
  let rest = payload;
  for (;;) {
    const length = longPacketLength(rest);
    if (length === undefined || length >= rest.length) return [...packets, rest];
    packets.push(rest.subarray(0, length));
    rest = rest.subarray(length);
    if (((rest[0] ?? 0) & FIXED_BIT) === 0) return packets;
  }
}

function longPacketLength(packet: Uint8Array): number | undefined {
  const first = packet[0] ?? 0;
  const type = first & TYPE_MASK;
  if ((first & LONG_HEADER) === 0 || type === TYPE_RETRY) return undefined;
  let at = FIRST_ID_AT;
  for (let id = 0; id < 2; id += 1) at += 1 + (packet[at] ?? 0);
  if (type === TYPE_INITIAL) {
    const token = readVarint(packet, at);
    if (token === undefined) return undefined;
    at = token.end + token.value;
  }
  const length = readVarint(packet, at);
  return length === undefined ? undefined : length.end + length.value;
}

/** RFC 9000 section 16, up to four bytes: nothing in one UDP payload is longer. */
function readVarint(bytes: Uint8Array, at: number): { value: number; end: number } | undefined {
  const first = bytes[at];
  if (first === undefined || first >= 0xc0) return undefined;
  const end = at + (1 << (first >> 6));
  if (end > bytes.length) return undefined;
  let value = first & 0x3f;
  for (let next = at + 1; next < end; next += 1) value = value * 256 + (bytes[next] ?? 0);
  return { value, end };
}
