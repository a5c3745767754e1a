import type { ConversationId, DeviceId, MessageId, UserId } from '@parley/protocol';
import type { Party } from '../rendezvous/signed-session.ts';
import type { StoredMessage } from './stored-message.ts';

/** A text message as the app sees it. */
export interface ChatMessage {
  /** Unique together with the sending device. */
  readonly id: MessageId;
  readonly conversation: ConversationId;
  /** The other user of the conversation. */
  readonly peer: UserId;
  readonly from: Party;
  /** Written by this account, on this device or another. */
  readonly isOwn: boolean;
  readonly text: string;
  /** Milliseconds since the epoch by the sender's word: for people, not for order. */
  readonly sentAt: number;
  /** Orders the conversation, then the sending device, then the id: alike on all devices. */
  readonly clock: number;
}

/** What the `message` handler gets. */
export interface ReceivedMessage extends ChatMessage {
  /**
   * It was handed out before and not acknowledged, perhaps by a process that has ended: an app that cannot do the same work
   * twice looks it up.
   */
  readonly isRedelivery: boolean;
}

/** How far a message of this account has come: by the device of the peer that is furthest. */
export type MessageStatus = 'sending' | 'failed' | 'stored' | 'delivered' | 'read';

export interface DeviceReceipt {
  readonly deviceId: DeviceId;
  /** Milliseconds since the epoch; `null` where that receipt did not come. */
  readonly deliveredAt: number | null;
  readonly readAt: number | null;
}

/** A message of the history. */
export interface HistoryMessage extends ChatMessage {
  /** Of messages of this account; null of others. */
  readonly status: MessageStatus | null;
  readonly receipts: readonly DeviceReceipt[];
  /** Of messages of the peer: whether this account's user has read it. */
  readonly isRead: boolean;
}

export function toChatMessage(message: StoredMessage, self: UserId): ChatMessage {
  const { messageId, conversation, peer, from, content, sentAt, clock } = message;
  const text = content.kind === 'text' ? content.text : '';
  return { id: messageId, conversation, peer, from, isOwn: from.userId === self, text, sentAt, clock };
}

export function toHistoryMessage(message: StoredMessage, self: UserId): HistoryMessage {
  const receipts = Object.entries(message.receipts).map(([deviceId, times]) => ({
    deviceId: deviceId as DeviceId,
    ...times,
  }));
  const chat = toChatMessage(message, self);
  return {
    ...chat,
    receipts,
    isRead: message.isRead,
    status: chat.isOwn ? statusOf(message, receipts) : null,
  };
}

function statusOf({ state }: StoredMessage, receipts: readonly DeviceReceipt[]): MessageStatus {
  if (receipts.some(({ readAt }) => readAt !== null)) return 'read';
  if (receipts.some(({ deliveredAt }) => deliveredAt !== null)) return 'delivered';
  return state === 'sending' || state === 'failed' ? state : 'stored';
}
