import { LIMITS } from '@parley/protocol';
import type { AppendOutcome, MailboxAddress, MailboxCopy, StoredMark } from './mailbox-store.port.ts';

/** The counters of a mailbox. */
export interface MailboxState {
  readonly lastCursor: number;
  readonly items: number;
  readonly bytes: number;
}

/** A copy that gets a place. */
export interface PlacedCopy {
  readonly copy: MailboxCopy;
  readonly cursor: number;
}

export interface AppendPlan {
  readonly outcomes: readonly AppendOutcome[];
  readonly placed: readonly PlacedCopy[];
  /** Counters afterwards, of every mailbox that was named; by {@link mailboxKey}. */
  readonly states: ReadonlyMap<string, MailboxState>;
}

export function mailboxKey({ tenant, deviceId }: MailboxAddress): string {
  return `${tenant} ${deviceId}`;
}

/** What makes a copy the same copy: recipient device, sending device, message. */
export function copyKey(copy: MailboxAddress & Pick<MailboxCopy, 'from' | 'messageId'>): string {
  return `${mailboxKey(copy)} ${copy.from.deviceId} ${copy.messageId}`;
}

/** Bytes of a base64url text without padding. */
export function sealedBytes(copy: Pick<MailboxCopy, 'envelope'>): number {
  return Math.floor((copy.envelope.sealed.length * 3) / 4);
}

/**
 * Gives copies their places, in order. A discarded copy meets a full mailbox like any other, so that `full` does not tell
 * its sender what became of it.
 *
 * @param states - counters of the mailboxes that exist
 * @param existing - copies that are stored already, by {@link copyKey}
 */
export function planAppends(
  copies: readonly MailboxCopy[],
  states: ReadonlyMap<string, MailboxState>,
  existing: ReadonlyMap<string, StoredMark>,
  storedAt: number,
): AppendPlan {
  const after = new Map(states);
  const known = new Map(existing);
  const placed: PlacedCopy[] = [];
  const outcomes = copies.map((copy): AppendOutcome => {
    const state = after.get(mailboxKey(copy));
    if (!state) return { kind: 'no-mailbox' };
    const mark = copy.isDiscarded ? undefined : known.get(copyKey(copy));
    if (mark) return { kind: 'duplicate', mark };
    const next = {
      lastCursor: state.lastCursor + 1,
      items: state.items + 1,
      bytes: state.bytes + sealedBytes(copy),
    };
    if (isOverQuota(next)) return { kind: 'full' };
    if (copy.isDiscarded) return { kind: 'discarded' };
    after.set(mailboxKey(copy), next);
    const stored = { cursor: next.lastCursor, storedAt, isRequest: copy.isRequest };
    known.set(copyKey(copy), stored);
    placed.push({ copy, cursor: next.lastCursor });
    return { kind: 'stored', mark: stored };
  });
  return { outcomes, placed, states: after };
}

function isOverQuota({ items, bytes }: MailboxState): boolean {
  return items > LIMITS.maxMailboxItemsPerDevice || bytes > LIMITS.maxMailboxBytesPerDevice;
}
