import {
  conversationIdSchema,
  deviceIdSchema,
  messageIdSchema,
  userIdSchema,
  type DeviceId,
  type MessageId,
} from '@parley/protocol';
import { z } from 'zod';

/** Milliseconds since the epoch. */
export const timeSchema = z.number().int().nonnegative();
const partySchema = z.object({ userId: userIdSchema, deviceId: deviceIdSchema });

/** `null` where that receipt did not come (yet). Times by the supernode's clock, as this device read it. */
const receiptTimesSchema = z.object({ deliveredAt: timeSchema.nullable(), readAt: timeSchema.nullable() });

/** One message as this device keeps it. */
export const storedMessageSchema = z.object({
  conversation: conversationIdSchema,
  messageId: messageIdSchema,
  from: partySchema,
  /** The other user of the conversation, as this device sees it. */
  peer: userIdSchema,
  sentAt: timeSchema,
  clock: z.number().int().positive(),
  /** `unknown`: of a later version. Kept for the day on which this SDK knows the kind; shown to nobody. */
  content: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('text'), text: z.string() }),
    z.object({ kind: z.literal('unknown'), payload: z.string() }),
  ]),
  /**
   * `sending` and `sent`: made on this device. `failed`: given up. `arrived`: the app has not acknowledged it. `request`: in the
   * request box; `declined`: taken out of it unread. `done`: the app has it. `unread`: of a kind that is not known here.
   */
  state: z.enum(['sending', 'sent', 'failed', 'arrived', 'request', 'declined', 'done', 'unread']),
  /** When all copies were stored; only of messages of this device. */
  storedAt: timeSchema.nullable(),
  /** By device of the peer; of messages of this account. */
  receipts: z.record(z.string(), receiptTimesSchema),
  /** Whether this account's user has read it; of messages of the peer. */
  isRead: z.boolean(),
});
export type StoredMessage = z.infer<typeof storedMessageSchema>;

/** Ids are chosen by the sending device: only together with it are they unique. */
export type MessageKey = `${DeviceId} ${MessageId}`;

export function messageKey(deviceId: DeviceId, messageId: MessageId): MessageKey {
  return `${deviceId} ${messageId}`;
}

export function keyOfMessage({ from, messageId }: Pick<StoredMessage, 'from' | 'messageId'>): MessageKey {
  return messageKey(from.deviceId, messageId);
}

/** What places a message in its conversation. */
export interface OrderKey {
  readonly clock: number;
  readonly deviceId: DeviceId;
  readonly messageId: MessageId;
}

export function orderKeyOf({ clock, from, messageId }: StoredMessage): OrderKey {
  return { clock, deviceId: from.deviceId, messageId };
}

/** The total order of a conversation, equal on all devices: clock, sending device, id (by code units). */
export function compareOrder(a: OrderKey, b: OrderKey): number {
  return a.clock - b.clock || compareText(a.deviceId, b.deviceId) || compareText(a.messageId, b.messageId);
}

function compareText(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

/** Whether messages in this state belong to the history that the app sees. */
export function isShownState(state: StoredMessage['state']): boolean {
  return state !== 'request' && state !== 'declined' && state !== 'unread';
}
