import { z } from 'zod';
import { deviceIdSchema, digestSchema, fixedBytesSchema, timeSchema, userIdSchema } from '../ids.ts';
import { LIMITS } from '../limits.ts';

/** 16 random bytes, chosen by the sending device and never used again by it. */
export const messageIdSchema = fixedBytesSchema(16).brand('MessageId');
export type MessageId = z.infer<typeof messageIdSchema>;

/**
 * SHA-256 of `parley/v1/conversation`, a zero byte, the tenant, a zero byte, and the two user ids in the order of their
 * code units with a zero byte between them: the same on every device of both.
 */
export const conversationIdSchema = digestSchema.brand('ConversationId');
export type ConversationId = z.infer<typeof conversationIdSchema>;

const partySchema = z.object({ userId: userIdSchema, deviceId: deviceIdSchema });

/** What happened, inside the envelope. Receivers keep kinds that they do not know unread, and show nothing of them. */
export const messageContentSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('text'), text: z.string().min(1).max(LIMITS.maxMessageTextLength) }),
  /** The device has brought these messages to its app (`delivered`), or the user has seen them (`read`). */
  z.object({
    kind: z.literal('receipt'),
    receipt: z.enum(['delivered', 'read']),
    messageIds: z.array(messageIdSchema).min(1).max(LIMITS.maxReceiptsPerMessage),
  }),
]);
export type MessageContent = z.infer<typeof messageContentSchema>;

/**
 * What a device signs (context `message`) and then seals to one recipient device. It names that device, so that nobody can
 * pass it on as if it were meant for another. `clock` is a Lamport clock of the conversation: messages are ordered by it,
 * then by sending device, then by id, which gives one order on all devices by whatever road they came.
 */
export const messageSchema = z.object({
  conversation: conversationIdSchema,
  messageId: messageIdSchema,
  from: partySchema,
  /** The device that this copy is sealed to; a copy to the sender's own other devices names one of those. */
  to: partySchema,
  /** The other user of the conversation, as the sender sees it. */
  peer: userIdSchema,
  sentAt: timeSchema,
  clock: z.number().int().positive().max(Number.MAX_SAFE_INTEGER),
  content: messageContentSchema,
});
export type Message = z.infer<typeof messageSchema>;

/** The bytes whose SHA-256 is the conversation id of two users. */
export function conversationIdInput(tenant: string, a: string, b: string): Uint8Array {
  const [first, second] = a < b ? [a, b] : [b, a];
  return new TextEncoder().encode(['parley/v1/conversation', tenant, first, second].join('\u0000'));
}
