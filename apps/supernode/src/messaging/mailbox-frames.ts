import { LIMITS, type MailboxItem } from '@parley/protocol';

/** What a mailbox item may take of a message beside its sealed bytes: ids, names of members, punctuation. */
const ITEM_OVERHEAD_BYTES = 512;
/** Left for the message around the items. */
const FRAME_OVERHEAD_BYTES = 512;

/** Sealed bytes that fit one message to a client when they are divided over items; base64url makes four of three. */
export const FRAME_SEALED_BYTES = Math.floor(
  ((LIMITS.maxMessageBytes - FRAME_OVERHEAD_BYTES - LIMITS.maxMailboxItems * ITEM_OVERHEAD_BYTES) * 3) / 4,
);

/** Divides items, in order, into messages that no client refuses for their size. */
export function intoFrames(items: readonly MailboxItem[]): MailboxItem[][] {
  const frames: MailboxItem[][] = [];
  let room = 0;
  for (const item of items) {
    const size = item.envelope.sealed.length;
    const frame = frames.at(-1);
    if (frame === undefined || size > room || frame.length >= LIMITS.maxMailboxItems) {
      frames.push([item]);
      room = Math.floor((FRAME_SEALED_BYTES * 4) / 3) - size;
    } else {
      frame.push(item);
      room -= size;
    }
  }
  return frames;
}
