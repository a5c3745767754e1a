import { describe, expect, it } from '@jest/globals';
import { transportAddress } from '@parley/nat';
import { decodeSpliceHeader, encodeSpliceHeader } from './splice-header.ts';

const secret = Uint8Array.from({ length: 32 }, (_, at) => at);
const HEADERS = [
  { client: transportAddress('203.0.113.7', 50_000), server: transportAddress('0.0.0.0', 443), secret },
  { client: transportAddress('2001:db8::7', 50_000), server: transportAddress('::', 443), secret },
];

describe('the header of a spliced connection', () => {
  it.each(HEADERS)('says who is at the ends: $client.family', (header) => {
    const bytes = encodeSpliceHeader(header);

    expect(decodeSpliceHeader(Uint8Array.of(...bytes, 1, 2))).toEqual({
      kind: 'header',
      header,
      length: bytes.length,
    });
  });

  it('is version 2 of the PROXY protocol', () => {
    const [ipv4] = HEADERS;
    const bytes = Buffer.from(encodeSpliceHeader(ipv4!));

    expect(bytes.subarray(0, 28).toString('hex')).toBe(
      `0d0a0d0a000d0a515549540a2111002fcb00710700000000c35001bb`,
    );
    expect(bytes.subarray(28, 31).toString('hex')).toBe('e00020');
  });

  it.each(HEADERS)('is incomplete wherever it is cut: $client.family', (header) => {
    const bytes = encodeSpliceHeader(header);

    for (let length = 0; length < bytes.length; length += 1) {
      expect(decodeSpliceHeader(bytes.subarray(0, length))).toEqual({ kind: 'incomplete' });
    }
  });

  it('is refused where a byte of its frame is wrong', () => {
    const bytes = encodeSpliceHeader(HEADERS[0]!);

    for (const at of [0, 11, 12, 13, 28, 30]) {
      const wrong = Uint8Array.from(bytes, (byte, index) => (index === at ? byte ^ 0x40 : byte));
      expect(decodeSpliceHeader(wrong)).toEqual({ kind: 'malformed' });
    }
  });
});
