import type { MailboxItem } from '@parley/protocol';
import { copyKey, mailboxKey, planAppends, sealedBytes, type MailboxState } from '../mailbox-append-plan.ts';
import type {
  Acknowledgement,
  AppendOutcome,
  MailboxAddress,
  MailboxCopy,
  MailboxPage,
  MailboxStore,
  PageSize,
} from '../mailbox-store.port.ts';

interface Kept {
  readonly copy: MailboxCopy;
  readonly item: MailboxItem;
}

interface Mailbox {
  lastCursor: number;
  droppedThrough: number;
  kept: Kept[];
}

/** Mailboxes in memory, for tests of what stands on them. */
export class MemoryMailboxStore implements MailboxStore {
  private readonly mailboxes = new Map<string, Mailbox>();

  /** A device becomes active. */
  open(address: MailboxAddress): void {
    this.mailboxes.set(mailboxKey(address), { lastCursor: 0, droppedThrough: 0, kept: [] });
  }

  append(copies: readonly MailboxCopy[], storedAt: number): Promise<readonly AppendOutcome[]> {
    const all = [...this.mailboxes.values()].flatMap(({ kept }) => kept);
    const existing = new Map(all.map(({ copy, item }) => [copyKey(copy), item]));
    const states = new Map([...this.mailboxes].map(([key, mailbox]) => [key, stateOf(mailbox)]));
    const plan = planAppends(copies, states, existing, storedAt);
    for (const { copy, cursor } of plan.placed) {
      const { messageId, from, envelope, isRequest } = copy;
      const mailbox = this.mailboxes.get(mailboxKey(copy));
      mailbox?.kept.push({ copy, item: { cursor, messageId, from, envelope, isRequest, storedAt } });
      if (mailbox) mailbox.lastCursor = cursor;
    }
    return Promise.resolve(plan.outcomes);
  }

  read(address: MailboxAddress, after: number, size: PageSize): Promise<MailboxPage | undefined> {
    const mailbox = this.mailboxes.get(mailboxKey(address));
    if (!mailbox) return Promise.resolve(undefined);
    const rest = mailbox.kept.filter(({ item }) => item.cursor > after);
    let bytes = 0;
    const page = rest.filter(({ copy }, at) => {
      bytes += sealedBytes(copy);
      return at === 0 || (at < size.items && bytes <= size.bytes);
    });
    return Promise.resolve({
      items: page.map(({ item }) => item),
      hasMore: page.length < rest.length,
      droppedThrough: mailbox.droppedThrough,
    });
  }

  acknowledge(acknowledgements: readonly Acknowledgement[]): Promise<number> {
    let count = 0;
    for (const acknowledgement of acknowledgements) {
      const mailbox = this.mailboxes.get(mailboxKey(acknowledgement));
      const gone = mailbox?.kept.filter(({ item }) => acknowledgement.cursors.includes(item.cursor)) ?? [];
      count += gone.length;
      if (mailbox) mailbox.kept = mailbox.kept.filter((kept) => !gone.includes(kept));
    }
    return Promise.resolve(count);
  }

  dropExpired(storedBefore: number): Promise<number> {
    let count = 0;
    for (const mailbox of this.mailboxes.values()) {
      const expired = mailbox.kept.filter(({ item }) => item.storedAt < storedBefore);
      count += expired.length;
      mailbox.kept = mailbox.kept.filter((kept) => !expired.includes(kept));
      mailbox.droppedThrough = Math.max(mailbox.droppedThrough, ...expired.map(({ item }) => item.cursor));
    }
    return Promise.resolve(count);
  }
}

function stateOf({ lastCursor, kept }: Mailbox): MailboxState {
  return {
    lastCursor,
    items: kept.length,
    bytes: kept.reduce((sum, { copy }) => sum + sealedBytes(copy), 0),
  };
}
