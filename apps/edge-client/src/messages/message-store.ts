import {
  conversationIdSchema,
  deviceIdSchema,
  messageIdSchema,
  messageSchema,
  userIdSchema,
  type ConversationId,
} from '@parley/protocol';
import { z } from 'zod';
import {
  storedMessageSchema,
  timeSchema,
  type MessageKey,
  type OrderKey,
  type StoredMessage,
} from './stored-message.ts';

/** What still has to be sent: a message or receipts, to all devices of `peer` and to the own other ones. */
export const outboxEntrySchema = z.object({
  conversation: conversationIdSchema,
  messageId: messageIdSchema,
  peer: userIdSchema,
  sentAt: timeSchema,
  clock: z.number().int().positive(),
  content: messageSchema.shape.content,
});
export type OutboxEntry = z.infer<typeof outboxEntrySchema>;

/** A receipt that the sender of a message has not been told yet. */
export const dueReceiptSchema = z.object({
  peer: userIdSchema,
  messageId: messageIdSchema,
  receipt: z.enum(['delivered', 'read']),
});
export type DueReceipt = z.infer<typeof dueReceiptSchema>;

/** Receipts that came before the message that they are about: another device of this account sent or got it. */
export const earlyReceiptsSchema = z.object({
  peer: userIdSchema,
  messageId: messageIdSchema,
  receipts: z.array(
    z.object({
      from: z.object({ userId: userIdSchema, deviceId: deviceIdSchema }),
      receipt: z.enum(['delivered', 'read']),
      at: timeSchema,
    }),
  ),
  /** When no copy can come any more. */
  until: timeSchema,
});
export type EarlyReceipts = z.infer<typeof earlyReceiptsSchema>;

/** The small tables: all of them are held in memory, by key. */
export const WORKING_TABLES = {
  /** By message id. */
  outbox: outboxEntrySchema,
  /** By `dueReceiptKey`. */
  dueReceipts: dueReceiptSchema,
  /** By `earlyReceiptsKey`. */
  earlyReceipts: earlyReceiptsSchema,
  /** Taken and not in the history (receipts), by message key; the value is the instant at which it is too old by itself. */
  seen: timeSchema,
  /** The Lamport clock of a conversation. */
  clocks: z.number().int().nonnegative(),
  /** Key `mailbox`: everything up to this cursor is acknowledged. */
  positions: z.number().int().nonnegative(),
} as const;

export type WorkingTable = keyof typeof WORKING_TABLES;
export type WorkingValue<Table extends WorkingTable> = z.infer<(typeof WORKING_TABLES)[Table]>;

/** Sets one row, or deletes it (`value: null`). Messages are never deleted. */
export type StoreChange =
  | { readonly table: 'messages'; readonly value: StoredMessage }
  | {
      [Table in WorkingTable]: {
        readonly table: Table;
        readonly key: string;
        readonly value: WorkingValue<Table> | null;
      };
    }[WorkingTable];

export type WorkingState = { readonly [Table in WorkingTable]: ReadonlyMap<string, WorkingValue<Table>> };

export interface HistoryQuery {
  /** Only what comes before it in the order of the conversation. @default everything */
  readonly before?: OrderKey | undefined;
  readonly limit: number;
  /** @default all */
  readonly where?: (state: StoredMessage['state']) => boolean;
}

/**
 * Where a client keeps its messages and what it still has to do with them. An app may bring its own (a database); one store
 * serves one open client at a time. What `commit` has resolved for must survive a crash: the client acknowledges messages
 * on the strength of it, and others delete theirs then.
 */
export interface MessageStore {
  /** Called once, first. @throws EDGE_MESSAGES_CORRUPTED, EDGE_MESSAGES_NEWER */
  load(): Promise<WorkingState>;
  /** All of the changes, or none of them. @throws EDGE_MESSAGES_UNUSABLE */
  commit(changes: readonly StoreChange[]): Promise<void>;
  find(key: MessageKey): Promise<StoredMessage | undefined>;
  has(key: MessageKey): boolean;
  /** The newest `limit` messages that fit, in the order of the conversation. */
  history(conversation: ConversationId, query: HistoryQuery): Promise<readonly StoredMessage[]>;
  /** All messages in one of these states, in no particular order. */
  inState(...states: readonly StoredMessage['state'][]): Promise<readonly StoredMessage[]>;
  close(): Promise<void>;
}

/** Tables with nothing in them. */
export function emptyWorkingState(): { readonly [Table in WorkingTable]: Map<string, WorkingValue<Table>> } {
  return {
    outbox: new Map(),
    dueReceipts: new Map(),
    earlyReceipts: new Map(),
    seen: new Map(),
    clocks: new Map(),
    positions: new Map(),
  };
}

export const storeChangeSchema = z.discriminatedUnion('table', [
  z.object({ table: z.literal('messages'), value: storedMessageSchema }),
  rowSchema('outbox'),
  rowSchema('dueReceipts'),
  rowSchema('earlyReceipts'),
  rowSchema('seen'),
  rowSchema('clocks'),
  rowSchema('positions'),
]);

function rowSchema<Table extends WorkingTable>(table: Table) {
  return z.object({
    table: z.literal(table),
    key: z.string(),
    value: z.nullable(WORKING_TABLES[table]),
  });
}

/** Applies a row change to the tables in memory. */
export function applyToWorkingState(
  state: ReturnType<typeof emptyWorkingState>,
  change: Exclude<StoreChange, { table: 'messages' }>,
): void {
  const rows = state[change.table] as Map<string, unknown>;
  if (change.value === null) rows.delete(change.key);
  else rows.set(change.key, change.value);
}

export function dueReceiptKey({ peer, messageId, receipt }: DueReceipt): string {
  return `${peer} ${messageId} ${receipt}`;
}

export function earlyReceiptsKey({ peer, messageId }: Pick<EarlyReceipts, 'peer' | 'messageId'>): string {
  return `${peer} ${messageId}`;
}
