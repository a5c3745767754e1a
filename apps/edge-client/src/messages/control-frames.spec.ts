import { describe, expect, it } from '@jest/globals';
import type { MessageId } from '@parley/protocol';
import fc from 'fast-check';
import { encodeFrame, FrameDecoder, type ControlFrame } from './control-frames.ts';

const FRAMES: readonly ControlFrame[] = [
  { kind: 'hello' },
  {
    kind: 'message',
    number: 7,
    messageId: Buffer.alloc(16, 1).toString('base64url') as MessageId,
    envelope: { scheme: 'test', sealed: 'AAAA' },
  },
  { kind: 'taken', number: 7 },
  { kind: 'refused', number: 8 },
];

/** A frame around any bytes. */
function framed(body: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(4 + body.length);
  bytes.writeUInt32BE(body.length);
  bytes.set(body, 4);
  return bytes;
}

describe('frames of the control stream', () => {
  it('are the same however the bytes are cut', () => {
    const bytes = Buffer.concat(FRAMES.map(encodeFrame));
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length), { maxLength: 10 }), (cuts) => {
        const ends = [...new Set([...cuts, bytes.length])].sort((a, b) => a - b);
        const decoder = new FrameDecoder();
        const frames = ends.flatMap((end, at) => decoder.push(bytes.subarray(ends[at - 1] ?? 0, end)));

        expect(frames).toEqual(FRAMES);
      }),
    );
  });

  it.each([
    ['no JSON', 'malformed', 'nonsense'],
    ['a known kind in a wrong shape', 'malformed', '{"kind":"taken"}'],
    ['no kind', 'malformed', '{}'],
    ['a kind of a later version', 'unknown', '{"kind":"hologram"}'],
  ])('are told apart: %s', (_what, verdict, text) => {
    const decoder = new FrameDecoder();

    expect(decoder.push(framed(Buffer.from(text)))).toEqual([verdict]);
    expect(decoder.push(encodeFrame({ kind: 'hello' }))).toEqual([{ kind: 'hello' }]);
  });

  it('are not waited for when they say that they are too long', () => {
    expect(new FrameDecoder().push(Buffer.from([0x7f, 0xff, 0xff, 0xff, 0]))).toEqual(['overlong']);
  });
});
