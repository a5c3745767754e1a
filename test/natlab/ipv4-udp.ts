/**
 * Addresses and ports of UDP in an IPv4 packet, read and replaced in place. Checksums follow what changed (RFC 1624, equation
 * 3), so that a packet which was damaged before stays recognisable as such.
 */
const MIN_HEADER_BYTES = 20;
const UDP_HEADER_BYTES = 8;
const PROTOCOL_AT = 9;
const HEADER_CHECKSUM_AT = 10;
const UDP_CHECKSUM_AT = 6;
const PROTOCOL_UDP = 17;
const FRAGMENT_AT = 6;
/** "More fragments" and the offset; "don't fragment" is no fragment. */
const FRAGMENT_MASK = 0x3fff;

const ENDS = {
  source: { addressAt: 12, portAt: 0 },
  destination: { addressAt: 16, portAt: 2 },
} as const;

/** Which end of a packet. */
export type PacketEnd = keyof typeof ENDS;

export interface Ipv4Endpoint {
  readonly address: string;
  readonly port: number;
}

/** Whether it is one whole UDP datagram in one IPv4 packet. */
export function isWholeUdp(packet: Buffer): boolean {
  return (
    packet.length >= MIN_HEADER_BYTES + UDP_HEADER_BYTES &&
    packet.readUInt8(0) >> 4 === 4 &&
    packet.readUInt8(PROTOCOL_AT) === PROTOCOL_UDP &&
    (packet.readUInt16BE(FRAGMENT_AT) & FRAGMENT_MASK) === 0 &&
    packet.length >= udpAt(packet) + UDP_HEADER_BYTES
  );
}

/** Of a packet that {@link isWholeUdp}. */
export function endpointOf(packet: Buffer, end: PacketEnd): Ipv4Endpoint {
  const { addressAt, portAt } = ENDS[end];
  const address = [...packet.subarray(addressAt, addressAt + 4)].join('.');
  return { address, port: packet.readUInt16BE(udpAt(packet) + portAt) };
}

/** Puts another address and port in. */
export function replaceEndpoint(packet: Buffer, end: PacketEnd, { address, port }: Ipv4Endpoint): void {
  const { addressAt, portAt } = ENDS[end];
  const udp = udpAt(packet);
  const words = wordsOf(address);
  const changes = [0, 1].map((word) => ({
    from: packet.readUInt16BE(addressAt + 2 * word),
    to: words[word] ?? 0,
  }));
  const portChange = { from: packet.readUInt16BE(udp + portAt), to: port };
  const header = packet.readUInt16BE(HEADER_CHECKSUM_AT);
  packet.writeUInt16BE(adjusted(header, changes), HEADER_CHECKSUM_AT);
  const checksum = packet.readUInt16BE(udp + UDP_CHECKSUM_AT);
  // zero says that there is none, and where the sum itself is zero it is sent as all ones (RFC 768)
  if (checksum !== 0) {
    packet.writeUInt16BE(adjusted(checksum, [...changes, portChange]) || 0xffff, udp + UDP_CHECKSUM_AT);
  }
  changes.forEach(({ to }, word) => packet.writeUInt16BE(to, addressAt + 2 * word));
  packet.writeUInt16BE(port, udp + portAt);
}

function udpAt(packet: Buffer): number {
  return (packet.readUInt8(0) & 0x0f) * 4;
}

function wordsOf(address: string): [number, number] {
  const [a = 0, b = 0, c = 0, d = 0] = address.split('.').map(Number);
  return [(a << 8) | b, (c << 8) | d];
}

function adjusted(checksum: number, changes: readonly { from: number; to: number }[]): number {
  let sum = ~checksum & 0xffff;
  for (const { from, to } of changes) sum += (~from & 0xffff) + to;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}
