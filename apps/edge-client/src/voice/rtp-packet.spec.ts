import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  addToTimestamp,
  sequenceDistance,
  timestampDistance,
  unwrapSequence,
  unwrapTimestamp,
} from './rtp-arithmetic.ts';
import { classifyDatagram, decodeRtpPacket, encodeRtpPacket, type RtpPacket } from './rtp-packet.ts';

const uint16 = fc.integer({ min: 0, max: 0xffff });
const uint32 = fc.integer({ min: 0, max: 0xffffffff });

const packets: fc.Arbitrary<RtpPacket> = fc.record({
  marker: fc.boolean(),
  payloadType: fc.integer({ min: 0, max: 127 }),
  sequenceNumber: uint16,
  timestamp: uint32,
  ssrc: uint32,
  payload: fc.uint8Array({ minLength: 1, maxLength: 200 }),
});

function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));
}

describe('RTP packet (RFC 3550 section 5.1)', () => {
  it('has the layout of the specification', () => {
    const bytes = encodeRtpPacket({
      marker: true,
      payloadType: 111,
      sequenceNumber: 0x1234,
      timestamp: 0xdeadbeef,
      ssrc: 0x01020304,
      payload: hex('78 00'),
    });

    expect(Buffer.from(bytes).toString('hex')).toBe('80ef1234deadbeef010203047800');
  });

  it('decodes what it encodes', () => {
    fc.assert(
      fc.property(packets, (packet) => {
        expect(decodeRtpPacket(encodeRtpPacket(packet))).toEqual({ ok: true, packet });
      }),
    );
  });

  it('skips contributing sources and a header extension, and takes padding off', () => {
    const bytes = hex('b2 6f 0001 00000002 00000003  00000004 00000005  bede 0001 aabbccdd  78 11 22 000003');

    const decoded = decodeRtpPacket(bytes);

    expect(decoded.ok && Buffer.from(decoded.packet.payload).toString('hex')).toBe('781122');
  });

  it.each([
    ['nothing', '', { at: 0, reason: 'too-short' }],
    ['a header that is cut off', '80 6f 0001 00000002 000000', { at: 11, reason: 'too-short' }],
    ['another version', '40 6f 0001 00000002 00000003 78', { at: 0, reason: 'wrong-version' }],
    [
      'missing contributing sources',
      '8f 6f 0001 00000002 00000003 78',
      { at: 13, reason: 'truncated-header' },
    ],
    [
      'an extension without its length',
      '90 6f 0001 00000002 00000003 78',
      { at: 12, reason: 'truncated-header' },
    ],
    [
      'an extension longer than the packet',
      '90 6f 0001 00000002 00000003 bede ffff 78',
      { at: 17, reason: 'truncated-header' },
    ],
    ['padding of no bytes', 'a0 6f 0001 00000002 00000003 78 00', { at: 13, reason: 'bad-padding' }],
    ['more padding than payload', 'a0 6f 0001 00000002 00000003 78 03', { at: 13, reason: 'bad-padding' }],
    ['padding without payload', 'a0 6f 0001 00000002 00000003', { at: 11, reason: 'bad-padding' }],
    ['no payload', '80 6f 0001 00000002 00000003', { at: 12, reason: 'empty-payload' }],
    ['only padding', 'a0 6f 0001 00000002 00000003 00 02', { at: 12, reason: 'empty-payload' }],
  ])('refuses %s', (_what, bytes, failure) => {
    expect(decodeRtpPacket(hex(bytes))).toEqual({ ok: false, ...failure });
  });

  it('never throws and never reads outside of the datagram', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        const decoded = decodeRtpPacket(bytes);
        if (decoded.ok) expect(decoded.packet.payload.length).toBeLessThanOrEqual(bytes.length - 12);
        else expect(decoded.at).toBeLessThanOrEqual(bytes.length);
      }),
      { numRuns: 1_000 },
    );
  });

  it('shares a channel with RTCP (RFC 5761 section 4)', () => {
    expect(classifyDatagram(hex('80 6f'))).toBe('rtp');
    expect(classifyDatagram(hex('80 ef'))).toBe('rtp');
    expect(classifyDatagram(hex('81 c8'))).toBe('rtcp');
    expect(classifyDatagram(hex('81 df'))).toBe('rtcp');
    expect(classifyDatagram(hex('00 6f'))).toBe('other');
    expect(classifyDatagram(hex('80'))).toBe('other');
  });
});

describe('RTP arithmetic', () => {
  it('measures across the wrap-around', () => {
    expect(sequenceDistance(0xfffe, 1)).toBe(3);
    expect(sequenceDistance(1, 0xfffe)).toBe(-3);
    expect(timestampDistance(0xfffffff0, 0x10)).toBe(0x20);
    expect(addToTimestamp(0xfffffff0, 0x20)).toBe(0x10);
  });

  it('unwraps any number that is near the last one', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 2 ** 40 }),
        fc.integer({ min: -30_000, max: 30_000 }),
        (near, step) => {
          const exact = near + 0x10000 + step;
          expect(unwrapSequence(near + 0x10000, ((exact % 0x10000) + 0x10000) % 0x10000)).toBe(exact);
          expect(unwrapTimestamp(near + 0x10000, exact % 2 ** 32)).toBe(exact);
        },
      ),
    );
  });
});
