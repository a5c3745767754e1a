import { z } from 'zod';
import { acknowledgementSchema } from '../acknowledgement.ts';
import { bytesSchema, deviceIdSchema, timeSchema, userIdSchema } from '../ids.ts';
import { LIMITS } from '../limits.ts';
import { messageIdSchema } from '../signed/message.ts';

/** Sealed bytes for one device. The scheme names how they were sealed; the supernode sees no more than this. */
export const envelopeSchema = z.object({
  scheme: z.string().regex(/^[a-z0-9-]{1,32}$/),
  sealed: bytesSchema(LIMITS.maxSealedBytes, 1),
});
export type Envelope = z.infer<typeof envelopeSchema>;

const partySchema = z.object({ userId: userIdSchema, deviceId: deviceIdSchema });

/**
 * Puts copies of one message into the mailboxes of devices. The acknowledgement comes when they are committed. The same
 * copy again (sender device, message id, recipient device) changes nothing and is acknowledged alike.
 */
export const messageSend = {
  request: z.object({
    messageId: messageIdSchema,
    /** The other user of the conversation. */
    to: userIdSchema,
    /**
     * Receipts make no request out of a stranger's answer, and count towards no limit of requests. It is the sender's word:
     * who unseals something else treats it as a request.
     */
    isReceipt: z.boolean(),
    /** Newest device-list versions that the sender knows, of `to` and of itself. */
    listVersions: z.object({ peer: z.number().int().nonnegative(), own: z.number().int().nonnegative() }),
    copies: z
      .array(z.object({ to: partySchema, envelope: envelopeSchema }))
      .min(1)
      .max(LIMITS.maxCopiesPerRequest),
  }),
  response: z.object({
    storedAt: timeSchema,
    /** Copies that found no room. The others are stored. */
    full: z.array(deviceIdSchema).max(LIMITS.maxCopiesPerRequest),
  }),
};

/**
 * Several messages, to one user or to many, in one request; together they fit one socket.io message. Each is decided over
 * by itself, and each counts towards the request budget. A message that does not fit its schema reads as null here: it is
 * refused with BAD_REQUEST, and its neighbours are not.
 */
export const messageSendBatch = {
  request: z.object({
    messages: z.array(messageSend.request.nullable().catch(null)).min(1).max(LIMITS.maxMessagesPerRequest),
  }),
  response: z.object({
    /**
     * In the order of the messages, each as `message.send` would have acknowledged it, when all of them are decided. One
     * that a client does not understand, as that of a newer supernode, reads as null.
     */
    outcomes: z
      .array(acknowledgementSchema(messageSend.response).nullable().catch(null))
      .min(1)
      .max(LIMITS.maxMessagesPerRequest),
  }),
};

/** One copy in a device's mailbox. `cursor` counts up by one with every copy that is stored there. */
export const mailboxItemSchema = z.object({
  cursor: z.number().int().positive(),
  messageId: messageIdSchema,
  from: partySchema,
  envelope: envelopeSchema,
  storedAt: timeSchema,
  /** The sender was no contact of the recipient when it was stored: it belongs into the request box. */
  isRequest: z.boolean(),
});
export type MailboxItem = z.infer<typeof mailboxItemSchema>;

/**
 * What lies in this device's mailbox after `after`, oldest first; fewer than `limit` where more would not fit one message.
 * `gap` says that copies after it expired before the device read them; `complete` that none did. (A copy that found no room
 * is no gap: its sender was told and sends it again.) Reading deletes nothing.
 */
export const mailboxRead = {
  request: z.object({
    after: z.number().int().nonnegative(),
    limit: z.number().int().min(1).max(LIMITS.maxMailboxItems).optional(),
  }),
  response: z.object({
    items: z.array(mailboxItemSchema).max(LIMITS.maxMailboxItems),
    hasMore: z.boolean(),
    continuity: z.enum(['complete', 'gap']),
    /** Where the next read begins, also when there are no items: past what expired, so that a gap is told once. */
    cursor: z.number().int().nonnegative(),
  }),
};

/** The app has these copies: they leave the mailbox. Cursors that are not there are no error. */
export const mailboxAcknowledge = {
  request: z.object({ cursors: z.array(z.number().int().positive()).min(1).max(LIMITS.maxMailboxItems) }),
  response: z.object({}),
};

/**
 * New copies, as they are committed, to a device that is connected at that moment (sequence 0: not replayed after a
 * resume). A cursor that does not follow the last one seen says that some were missed: they are in the mailbox.
 */
export const mailboxArrivedSchema = z.object({
  items: z.array(mailboxItemSchema).min(1).max(LIMITS.maxMailboxItems),
});
