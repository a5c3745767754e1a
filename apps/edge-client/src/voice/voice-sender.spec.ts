import { describe, expect, it } from '@jest/globals';
import { instant } from '@parley/nat';
import { decodeRedundantPayload } from './redundant-payload.ts';
import { decodeRtpPacket } from './rtp-packet.ts';
import { VoiceSender } from './voice-sender.ts';

const SILK_20_MS = 9 << 3;
const [OPUS, REDUNDANT] = [111, 112];

/** A frame that says its number; the encoder has put a copy of the frame before into it, or not. */
function frame(number: number, hasCopy: boolean, length = 25): Uint8Array {
  return Uint8Array.of(SILK_20_MS, hasCopy ? 0x40 : 0, number, ...new Uint8Array(length - 3));
}

/** What travels when the encoder gives these frames. */
function packetsOf(frames: readonly Uint8Array[], hasCopies?: boolean) {
  const waiting = [...frames];
  const sender = new VoiceSender({
    encoder: {
      encode: () => waiting.shift() ?? new Uint8Array(),
      setExpectedLossPercent: () => undefined,
      free: () => undefined,
    },
    ssrc: 7,
    firstSequenceNumber: 0,
    firstTimestamp: 0,
    ...(hasCopies === undefined ? {} : { hasCopies }),
  });
  return frames.map((_, index) => {
    const decoded = decodeRtpPacket(sender.send(new Int16Array(320), instant(index * 20)));
    if (!decoded.ok) throw new TypeError(decoded.reason);
    return decoded.packet;
  });
}

describe('VoiceSender', () => {
  it('sends with a frame the one before it, where the encoder has made no copy of that', () => {
    const frames = [frame(0, false), frame(1, false), frame(2, true), frame(3, false)];

    const packets = packetsOf(frames);

    expect(packets.map(({ payloadType }) => payloadType)).toEqual([OPUS, REDUNDANT, OPUS, REDUNDANT]);
    for (const index of [1, 3]) {
      expect(decodeRedundantPayload(packets[index]!.payload)).toEqual({
        primary: frames[index],
        copies: [{ ticksBefore: 960, payload: frames[index - 1] }],
      });
    }
    for (const index of [0, 2]) expect(packets[index]!.payload).toEqual(frames[index]);
  });

  it('copies no large frames: an encoder for music would send all at twice the rate', () => {
    const packets = packetsOf([frame(0, false, 81), frame(1, false, 80), frame(2, false)]);

    expect(packets.map(({ payloadType }) => payloadType)).toEqual([OPUS, OPUS, REDUNDANT]);
  });

  it('sends no copies where there are to be none', () => {
    const packets = packetsOf([frame(0, false), frame(1, false)], false);

    expect(packets.map(({ payloadType }) => payloadType)).toEqual([OPUS, OPUS]);
  });
});
