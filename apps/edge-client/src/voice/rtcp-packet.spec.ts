import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decodeRtcp, encodeRtcpReport, type ReportBlock, type RtcpReport } from './rtcp-packet.ts';

const uint32 = fc.integer({ min: 0, max: 0xffffffff });

const blocks: fc.Arbitrary<ReportBlock> = fc.record({
  ssrc: uint32,
  fractionLost: fc.integer({ min: 0, max: 255 }),
  cumulativeLost: fc.integer({ min: -0x800000, max: 0x7fffff }),
  highestSequence: uint32,
  jitter: uint32,
  lastSenderReport: uint32,
  delaySinceLastSenderReport: uint32,
});

const reports: fc.Arbitrary<RtcpReport> = fc.record(
  {
    ssrc: uint32,
    sender: fc.record({
      ntpSeconds: uint32,
      ntpFraction: uint32,
      rtpTimestamp: uint32,
      packetCount: uint32,
      octetCount: uint32,
    }),
    blocks: fc.array(blocks, { maxLength: 31 }),
  },
  { requiredKeys: ['ssrc', 'blocks'] },
);

describe('RTCP reports (RFC 3550 sections 6.4.1 and 6.4.2)', () => {
  it('decodes what it encodes', () => {
    fc.assert(
      fc.property(reports, (report) => {
        expect(decodeRtcp(encodeRtcpReport(report))).toEqual({ ok: true, reports: [report] });
      }),
    );
  });

  it('has the layout of the specification', () => {
    const bytes = encodeRtcpReport({
      ssrc: 1,
      blocks: [
        {
          ssrc: 2,
          fractionLost: 0x80,
          cumulativeLost: -1,
          highestSequence: 3,
          jitter: 4,
          lastSenderReport: 5,
          delaySinceLastSenderReport: 6,
        },
      ],
    });

    expect(Buffer.from(bytes).toString('hex')).toBe(
      '81c90007' + '00000001' + '00000002' + '80ffffff' + '00000003' + '00000004' + '00000005' + '00000006',
    );
  });

  it('reads the reports of a compound datagram and skips the rest of it', () => {
    const first = encodeRtcpReport({ ssrc: 1, blocks: [] });
    const description = Uint8Array.of(0x81, 202, 0, 2, 0, 0, 0, 1, 1, 1, 0x61, 0);
    const second = encodeRtcpReport({ ssrc: 2, blocks: [] });

    expect(decodeRtcp(Buffer.concat([first, description, second]))).toEqual({
      ok: true,
      reports: [
        { ssrc: 1, blocks: [] },
        { ssrc: 2, blocks: [] },
      ],
    });
  });

  it.each([
    ['nothing', [], { at: 0, reason: 'no-report' }],
    ['half a header', [0x80, 201], { at: 0, reason: 'too-short' }],
    ['another version', [0x40, 201, 0, 0], { at: 0, reason: 'wrong-version' }],
    ['a length beyond the datagram', [0x80, 201, 0, 2, 0, 0, 0, 1], { at: 2, reason: 'bad-length' }],
    ['fewer blocks than counted', [0x81, 201, 0, 1, 0, 0, 0, 1], { at: 0, reason: 'bad-length' }],
    ['a report without its sender', [0x80, 201, 0, 0], { at: 0, reason: 'bad-length' }],
    ['only other packets', [0x80, 203, 0, 0], { at: 0, reason: 'no-report' }],
  ])('refuses %s', (_what, bytes, failure) => {
    expect(decodeRtcp(Uint8Array.from(bytes))).toEqual({ ok: false, ...failure });
  });

  it('never throws', () => {
    const likely = fc
      .tuple(
        fc.integer({ min: 0x80, max: 0x9f }),
        fc.integer({ min: 199, max: 203 }),
        fc.uint8Array({ maxLength: 80 }),
      )
      .map(([first, type, rest]) => Uint8Array.of(first, type, ...rest));

    fc.assert(
      fc.property(fc.oneof(likely, fc.uint8Array({ maxLength: 80 })), (bytes) => {
        expect(typeof decodeRtcp(bytes).ok).toBe('boolean');
      }),
      { numRuns: 1_000 },
    );
  });
});
