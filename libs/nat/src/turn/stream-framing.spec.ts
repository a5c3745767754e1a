import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Data } from '../stun/attributes/opaque.ts';
import { StunMessageBuilder } from '../stun/message-builder.ts';
import { Method } from '../stun/message-type.ts';
import { encodeChannelData } from './channel-data.ts';
import { frameForStream, StreamDeframer } from './stream-framing.ts';

function stun(dataBytes: number): Uint8Array {
  return new StunMessageBuilder('indication', Method.SEND, new Uint8Array(12))
    .add(Data, new Uint8Array(dataBytes))
    .toBytes();
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

function cut(bytes: Uint8Array, places: readonly number[]): readonly Uint8Array[] {
  const ends = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [...ends, bytes.length].map((end, at) => bytes.subarray(at === 0 ? 0 : ends[at - 1], end));
}

const message = fc.oneof(
  fc.integer({ min: 0, max: 300 }).map(stun),
  fc
    .tuple(fc.integer({ min: 0x4000, max: 0x4fff }), fc.uint8Array({ maxLength: 300 }))
    .map(([channel, data]) => encodeChannelData(channel, data)),
);

describe('TURN on a stream (RFC 8489 §6.2.2, RFC 8656 §12.5)', () => {
  it('pads ChannelData to a multiple of four and leaves STUN as it is', () => {
    const request = stun(3);

    expect(frameForStream(encodeChannelData(0x4001, Uint8Array.of(9)))).toEqual(
      Uint8Array.of(0x40, 1, 0, 1, 9, 0, 0, 0),
    );
    expect(frameForStream(encodeChannelData(0x4001, new Uint8Array(4)))).toHaveLength(8);
    expect(frameForStream(request)).toBe(request);
  });

  it('gives back every message, wherever the stream was cut', () => {
    fc.assert(
      fc.property(
        fc.array(message, { maxLength: 12 }),
        fc.array(fc.nat(), { maxLength: 40 }),
        (sent, places) => {
          const deframer = new StreamDeframer();

          const results = cut(join(sent.map(frameForStream)), places).map((chunk) => deframer.push(chunk));

          expect(results.every(({ ok }) => ok)).toBe(true);
          expect(results.flatMap(({ messages }) => messages.map((bytes) => [...bytes]))).toEqual(
            sent.map((bytes) => [...bytes]),
          );
          expect(deframer.pendingBytes).toBe(0);
        },
      ),
    );
  });

  it('gives views of the chunk, and copies only what waits', () => {
    const whole = frameForStream(encodeChannelData(0x4001, new Uint8Array(8)));
    const chunk = join([whole, whole.subarray(0, 5)]);
    const deframer = new StreamDeframer();

    const { messages } = deframer.push(chunk);

    expect(messages[0]?.buffer).toBe(chunk.buffer);
    expect(deframer.pendingBytes).toBe(5);
    expect(deframer.push(whole.subarray(5)).messages[0]?.buffer).not.toBe(chunk.buffer);
  });

  it.each([
    ['the first two bits of another protocol', Uint8Array.of(0x80)],
    ['TLS', Uint8Array.of(0x16, 3, 1, 2)],
    ['HTTP with a line before', new TextEncoder().encode('\r\nGET / HTTP/1.1\r\n')],
    ['a STUN length that is no multiple of four', Uint8Array.of(0, 1, 0, 2)],
    ['another cookie', Uint8Array.of(0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x43)],
  ])('ends at %s, after what came before it', (_name, wrong) => {
    const deframer = new StreamDeframer();

    expect(deframer.push(join([stun(0), wrong]))).toMatchObject({ ok: false, fault: 'not-turn' });
    expect(deframer.push(stun(0))).toEqual({ ok: false, messages: [], fault: 'not-turn' });
    expect(deframer.pendingBytes).toBe(0);
  });

  it('refuses a message longer than it may be from its header alone', () => {
    const deframer = new StreamDeframer(64);

    expect(deframer.push(encodeChannelData(0x4000, new Uint8Array(60)))).toMatchObject({ ok: true });
    expect(deframer.push(encodeChannelData(0x4000, new Uint8Array(61)).subarray(0, 4))).toMatchObject({
      ok: false,
      fault: 'message-too-long',
    });
  });

  it('never holds more than one message of the allowed length, whatever arrives', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.uint8Array({ maxLength: 200 }), message)), (chunks) => {
        const deframer = new StreamDeframer(128);

        for (const chunk of chunks) {
          deframer.push(chunk);
          expect(deframer.pendingBytes).toBeLessThan(128);
        }
      }),
      { numRuns: 500 },
    );
  });
});
