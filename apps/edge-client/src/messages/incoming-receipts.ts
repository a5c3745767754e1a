import type { MessageId, UserId } from '@parley/protocol';
import type { Party } from '../rendezvous/signed-session.ts';
import type { WorkingChange } from './message-book.ts';
import { deviceIdOfListed } from './message-sealing.ts';
import { earlyReceiptsKey, type EarlyReceipts } from './message-store.ts';
import type { MessagesContext } from './messages-context.ts';
import { messageKey, type MessageKey, type StoredMessage } from './stored-message.ts';

/** A receipt as it came, for one or more messages. */
export interface IncomingReceipt {
  readonly from: Party;
  readonly peer: UserId;
  readonly receipt: 'delivered' | 'read';
  readonly messageIds: readonly MessageId[];
  /** When it came. */
  readonly at: number;
  /** When no message that it is about can come any more. */
  readonly until: number;
}

/** Messages of this account that a device of the peer has, or that the user has read (elsewhere, when it is our own). */
export interface ReceiptNews {
  readonly from: Party;
  readonly peer: UserId;
  readonly receipt: 'delivered' | 'read';
  readonly messages: readonly StoredMessage[];
  readonly at: number;
}

/** What receipts read and change within one commit. */
export interface ReceiptRows {
  find(key: MessageKey): Promise<StoredMessage | undefined>;
  early(key: string): EarlyReceipts | undefined;
  put(message: StoredMessage): void;
  row(change: WorkingChange): void;
  /** Messages with early receipts: of this user, and of all. */
  earlyCounts(peer: UserId): { readonly ofPeer: number; readonly ofAll: number };
}

/** Messages whose receipts came first: with one user, and with all. A peer that names ids at random fills no more. */
const MAX_EARLY_PER_PEER = 256;
const MAX_EARLY = 2048;

type Context = Pick<MessagesContext, 'self' | 'lists' | 'drops'>;

/** Marks messages, and keeps what is about a message that has not come yet. Undefined when nothing is new. */
export async function applyReceipt(
  context: Context,
  rows: ReceiptRows,
  incoming: IncomingReceipt,
): Promise<ReceiptNews | undefined> {
  const { self, lists, drops } = context;
  const { from, peer, receipt, at } = incoming;
  const isOwn = from.userId === self().userId;
  const senders = (lists.known(isOwn ? peer : self().userId)?.devices ?? []).map(({ key }) =>
    deviceIdOfListed(key),
  );
  const changed: StoredMessage[] = [];
  let isKept = false;
  for (const messageId of incoming.messageIds) {
    const found = await findAll(
      rows,
      senders.map((deviceId) => messageKey(deviceId, messageId)),
    );
    for (const message of found) {
      const next = message.peer === peer ? withReceipt(message, incoming, isOwn) : undefined;
      if (!next) continue;
      rows.put(next);
      changed.push(next);
    }
    // Only what another device of this account sent can still be on its way here.
    if (found.length === 0 && (isOwn || senders.length > 1)) {
      isKept = keepEarly(context, rows, incoming, messageId) || isKept;
    }
  }
  if (changed.length > 0) return { from, peer, receipt, at, messages: changed };
  if (!isKept) drops.count('receipt-without-news');
  return undefined;
}

/** Applies what came before this message; the message is new, and not put yet. */
export function applyEarlyReceipts(
  { self }: Context,
  rows: ReceiptRows,
  arrived: StoredMessage,
): { readonly message: StoredMessage; readonly news: readonly ReceiptNews[] } {
  const key = earlyReceiptsKey(arrived);
  const early = rows.early(key);
  if (!early) return { message: arrived, news: [] };
  const isTheirs = arrived.from.userId !== self().userId;
  let message = arrived;
  const news: ReceiptNews[] = [];
  const others: EarlyReceipts['receipts'] = [];
  for (const one of early.receipts) {
    // Ids are unique per device only: a receipt of the peer is about a message of ours, and the other way round.
    const isOwn = one.from.userId === self().userId;
    const next = isOwn === isTheirs ? withReceipt(message, one, isOwn) : undefined;
    if (isOwn !== isTheirs) others.push(one);
    if (!next) continue;
    message = next;
    news.push({ ...one, peer: message.peer, messages: [message] });
  }
  rows.row({
    table: 'earlyReceipts',
    key,
    value: others.length > 0 ? { ...early, receipts: others } : null,
  });
  return { message, news };
}

async function findAll(rows: ReceiptRows, keys: readonly MessageKey[]): Promise<readonly StoredMessage[]> {
  const found: StoredMessage[] = [];
  for (const key of keys) {
    const message = await rows.find(key);
    if (message) found.push(message);
  }
  return found;
}

function keepEarly(
  { drops }: Context,
  rows: ReceiptRows,
  { from, peer, receipt, at, until }: IncomingReceipt,
  messageId: MessageId,
): boolean {
  const key = earlyReceiptsKey({ peer, messageId });
  const before = rows.early(key);
  const isThere = (one: EarlyReceipts['receipts'][number]) =>
    one.from.deviceId === from.deviceId && one.receipt === receipt;
  if (before?.receipts.some(isThere)) return true;
  const { ofPeer, ofAll } = rows.earlyCounts(peer);
  if (!before && (ofPeer >= MAX_EARLY_PER_PEER || ofAll >= MAX_EARLY)) {
    drops.count('early-receipts-full');
    return false;
  }
  const receipts = [...(before?.receipts ?? []), { from, receipt, at }];
  rows.row({ table: 'earlyReceipts', key, value: { peer, messageId, receipts, until } });
  return true;
}

function withReceipt(
  message: StoredMessage,
  { from, receipt, at }: Pick<ReceiptNews, 'from' | 'receipt' | 'at'>,
  isOwn: boolean,
): StoredMessage | undefined {
  // Our own other device says that the user has read what the peer wrote.
  if (isOwn) return receipt === 'read' && !message.isRead ? { ...message, isRead: true } : undefined;
  const before = message.receipts[from.deviceId] ?? { deliveredAt: null, readAt: null };
  const after = {
    deliveredAt: before.deliveredAt ?? at,
    readAt: before.readAt ?? (receipt === 'read' ? at : null),
  };
  if (after.deliveredAt === before.deliveredAt && after.readAt === before.readAt) return undefined;
  return { ...message, receipts: { ...message.receipts, [from.deviceId]: after } };
}
