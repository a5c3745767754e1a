import { describe, expect, it } from '@jest/globals';
import { LIMITS, SERVER_EVENTS, userIdSchema, type MailboxItem } from '@parley/protocol';
import fc from 'fast-check';
import { callerNamed } from '../identity/testing/callers.ts';
import { intoFrames } from './mailbox-frames.ts';
import { messageNamed } from './testing/sealed-copies.ts';

/** An item whose other members are as long as they can be. */
function item(cursor: number, bytes: number): MailboxItem {
  return {
    cursor: Number.MAX_SAFE_INTEGER - 10_000 + cursor,
    messageId: messageNamed(String(cursor)),
    from: {
      userId: userIdSchema.parse('"'.repeat(LIMITS.maxUserIdLength)),
      deviceId: callerNamed('ada').deviceId,
    },
    envelope: { scheme: 'x'.repeat(32), sealed: Buffer.alloc(bytes, 1).toString('base64url') },
    storedAt: Number.MAX_SAFE_INTEGER,
    isRequest: false,
  };
}

describe('intoFrames', () => {
  it('keeps every item once and in order, in events that a client takes', () => {
    const sizes = fc.array(
      fc.oneof(fc.integer({ min: 1, max: 400 }), fc.integer({ min: 1, max: LIMITS.maxSealedBytes })),
      {
        maxLength: 130,
      },
    );
    fc.assert(
      fc.property(sizes, (all) => {
        const items = all.map((bytes, at) => item(at, bytes));

        const frames = intoFrames(items);

        expect(frames.flat()).toEqual(items);
        for (const frame of frames) {
          const message = JSON.stringify(['mailbox.arrived', { items: frame }, { sequence: 0 }]);
          expect(Buffer.byteLength(message)).toBeLessThanOrEqual(LIMITS.maxMessageBytes);
          expect(SERVER_EVENTS['mailbox.arrived'].safeParse({ items: frame }).success).toBe(true);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('puts many small items together', () => {
    const items = Array.from({ length: 120 }, (_, at) => item(at, 100));

    expect(intoFrames(items).map((frame) => frame.length)).toEqual([50, 50, 20]);
  });
});
