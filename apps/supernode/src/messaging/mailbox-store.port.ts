import type { DeviceId, Envelope, MailboxItem, MessageId, TenantId } from '@parley/protocol';
import type { DeviceAddress } from '../identity/caller.ts';

/** A mailbox: that of one device. */
export interface MailboxAddress {
  readonly tenant: TenantId;
  readonly deviceId: DeviceId;
}

/** One sealed copy of a message on its way into a mailbox. */
export interface MailboxCopy extends DeviceAddress {
  readonly messageId: MessageId;
  readonly from: MailboxItem['from'];
  readonly envelope: Envelope;
  readonly isRequest: boolean;
  /** Takes the way of every other copy and the same time, but is not kept: its sender must not learn that. */
  readonly isDiscarded: boolean;
}

/** Where a copy lies, and what was written beside it when it was stored. */
export type StoredMark = Pick<MailboxItem, 'cursor' | 'storedAt' | 'isRequest'>;

/**
 * What became of a copy. `duplicate`: it is there already. `full`: no room, not kept. `no-mailbox`: the device was removed
 * meanwhile.
 */
export type AppendOutcome =
  | { readonly kind: 'stored' | 'duplicate'; readonly mark: StoredMark }
  | { readonly kind: 'full' | 'discarded' | 'no-mailbox' };

export interface MailboxPage {
  readonly items: readonly MailboxItem[];
  readonly hasMore: boolean;
  /** Copies up to this cursor may have expired unread. */
  readonly droppedThrough: number;
}

export interface PageSize {
  readonly items: number;
  /** Of sealed bytes; one copy is given in any case. */
  readonly bytes: number;
}

export interface Acknowledgement extends MailboxAddress {
  readonly cursors: readonly number[];
}

/** Durable mailboxes. Each exists as long as its device is active; its cursors count up by one and become visible in order. */
export interface MailboxStore {
  /** Stores copies in one transaction: all or none. Outcomes are in the order of the copies. */
  append(copies: readonly MailboxCopy[], storedAt: number): Promise<readonly AppendOutcome[]>;
  /** Undefined when there is no such mailbox. */
  read(mailbox: MailboxAddress, after: number, size: PageSize): Promise<MailboxPage | undefined>;
  /** Deletes copies in one transaction and says how many there were. */
  acknowledge(acknowledgements: readonly Acknowledgement[]): Promise<number>;
  /** Deletes copies that were stored before this time, marks the gaps, and says how many there were. */
  dropExpired(storedBefore: number): Promise<number>;
}

export const MAILBOX_STORE = Symbol('MailboxStore');
