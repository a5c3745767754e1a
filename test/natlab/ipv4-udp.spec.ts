import { describe, expect, it } from '@jest/globals';
import { endpointOf, isWholeUdp, replaceEndpoint } from './ipv4-udp.ts';

const HEADER = 20;
const INSIDE = { address: '10.1.0.2', port: 5000 };
const OUTSIDE = { address: '198.18.1.1', port: 65_535 };
const REMOTE = { address: '203.0.113.9', port: 3478 };

/** A datagram with both checksums, or with none of UDP. */
function datagram(payload: Uint8Array, hasChecksum = true): Buffer {
  const packet = Buffer.alloc(HEADER + 8 + payload.length);
  packet.writeUInt8(0x45, 0);
  packet.writeUInt16BE(packet.length, 2);
  packet.writeUInt16BE(0x4000, 6);
  packet.writeUInt8(64, 8);
  packet.writeUInt8(17, 9);
  packet.set(INSIDE.address.split('.').map(Number), 12);
  packet.set(REMOTE.address.split('.').map(Number), 16);
  packet.writeUInt16BE(INSIDE.port, HEADER);
  packet.writeUInt16BE(REMOTE.port, HEADER + 2);
  packet.writeUInt16BE(8 + payload.length, HEADER + 4);
  packet.set(payload, HEADER + 8);
  packet.writeUInt16BE(ipChecksum(packet), 10);
  if (hasChecksum) packet.writeUInt16BE(udpChecksum(packet), HEADER + 6);
  return packet;
}

function onesComplement(bytes: Buffer, start = 0): number {
  let sum = start;
  for (let at = 0; at < bytes.length; at += 2) sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function ipChecksum(packet: Buffer): number {
  const header = Buffer.from(packet.subarray(0, HEADER));
  header.writeUInt16BE(0, 10);
  return onesComplement(header);
}

/** From the beginning, over the pseudo header too (RFC 768). */
function udpChecksum(packet: Buffer): number {
  const udp = Buffer.from(packet.subarray(HEADER));
  udp.writeUInt16BE(0, 6);
  const pseudo = Buffer.concat([packet.subarray(12, 20), Buffer.from([0, 17, 0, 0]), udp]);
  pseudo.writeUInt16BE(udp.length, 10);
  return onesComplement(pseudo) || 0xffff;
}

describe('UDP in an IPv4 packet', () => {
  it('is read and replaced at both ends, with checksums as if it had been made so', () => {
    for (let length = 0; length < 300; length += 1) {
      const packet = datagram(Buffer.alloc(length, length * 7 + 3));
      expect(endpointOf(packet, 'source')).toEqual(INSIDE);

      replaceEndpoint(packet, 'source', OUTSIDE);
      replaceEndpoint(packet, 'destination', { address: '192.0.2.77', port: length + 1 });

      expect(endpointOf(packet, 'source')).toEqual(OUTSIDE);
      expect(endpointOf(packet, 'destination')).toEqual({ address: '192.0.2.77', port: length + 1 });
      expect(packet.readUInt16BE(10)).toBe(ipChecksum(packet));
      expect(packet.readUInt16BE(HEADER + 6)).toBe(udpChecksum(packet));
    }
  });

  it('keeps a wrong checksum wrong, and none at none', () => {
    const damaged = datagram(Buffer.from('parley'));
    damaged.writeUInt8(damaged.readUInt8(HEADER + 8) ^ 0x40, HEADER + 8);
    const without = datagram(Buffer.from('parley'), false);

    replaceEndpoint(damaged, 'source', OUTSIDE);
    replaceEndpoint(without, 'source', OUTSIDE);

    expect(damaged.readUInt16BE(HEADER + 6)).not.toBe(udpChecksum(damaged));
    expect(without.readUInt16BE(HEADER + 6)).toBe(0);
  });

  it('is not what is cut, a fragment, another protocol or another version', () => {
    const whole = datagram(Buffer.from('parley'));
    const changed = (at: number, value: number): Buffer => {
      const packet = Buffer.from(whole);
      packet.writeUInt8(value, at);
      return packet;
    };

    expect(isWholeUdp(whole)).toBe(true);
    expect(isWholeUdp(whole.subarray(0, HEADER + 7))).toBe(false);
    expect(isWholeUdp(Buffer.alloc(0))).toBe(false);
    expect(isWholeUdp(changed(0, 0x4f))).toBe(false); // a header longer than the packet
    expect(isWholeUdp(changed(0, 0x65))).toBe(false);
    expect(isWholeUdp(changed(9, 6))).toBe(false);
    expect(isWholeUdp(changed(6, 0x20))).toBe(false);
  });
});
