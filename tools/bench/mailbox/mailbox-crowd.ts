import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { LIMITS, messageIdSchema, type EventOf, type MailboxItem, type MessageId } from '@parley/protocol';
import type { CommandHandlers } from '../../processes/command-messages.ts';
import { until } from '../../processes/until.ts';
import { machineClockMs } from '../machine-clock.ts';
import { RefusedError } from './bare-connection.ts';
import { BareUser } from './bare-user.ts';
import { GroupedSends } from './grouped-sends.ts';
import type { Flood, MailboxCrowdCommands, Writing } from './mailbox-crowd-commands.ts';
import { MailboxLedger } from './mailbox-ledger.ts';

/** What the SDK makes of a text of 200 characters, signed and sealed. */
const SEALED_BYTES = 900;
const JOIN_AT_ONCE = 8;
/** How long a recipient collects what it acknowledges together. */
const COLLECT_MS = 50;
const PACE_STEP_MS = 1;
const ARRIVAL_DEADLINE_MS = 30_000;
/** Its first byte tells the two apart: a supernode sees no difference. */
const [TEXT, RECEIPT] = ['A', 'R'];

interface Collected {
  readonly cursors: number[];
  texts: number;
}

/** Many users who write, acknowledge and send receipts as the SDK does, but neither seal nor keep anything. */
export class MailboxCrowd {
  readonly #sealed = randomBytes(SEALED_BYTES).toString('base64url');
  readonly #collected = new Map<number, Collected>();
  #users: readonly BareUser[] = [];
  readonly #grouped = new Map<number, GroupedSends>();
  #isGrouped = false;
  /** Begun, and not yet acknowledged with their receipts sent. */
  #collections = 0;
  #ledger = new MailboxLedger();
  #messages = 0;
  #wrong = 0;

  readonly handlers: CommandHandlers<MailboxCrowdCommands> = {
    join: async ({ url, count }) => {
      this.#users = Array.from({ length: count }, (_, at) => new BareUser(url, `bare${at}`));
      for (let from = 0; from < count; from += JOIN_AT_ONCE) {
        const some = this.#users.slice(from, from + JOIN_AT_ONCE);
        await Promise.all(some.map((user) => user.register()));
        await Promise.all(some.map((user, at) => this.#signIn(user, from + at)));
      }
      await Promise.all(
        this.#senders().map(async (at) => {
          const peer = this.#peerOf(at);
          await this.#user(at).connection.request('contacts.request', { userId: peer.userId });
          await peer.connection.request('contacts.accept', { userId: this.#user(at).userId });
        }),
      );
      return null;
    },
    away: () => this.#eachRecipient((user) => user.signOff()),
    back: () => this.#eachRecipient((user, at) => this.#signIn(user, at)),
    flood: ({ window, ...writing }) =>
      this.#round(writing, async () => {
        const endsAt = machineClockMs() + writing.ms;
        const worker = async (sender: number): Promise<void> => {
          while (machineClockMs() < endsAt) await this.#send(sender, machineClockMs());
        };
        const senders = this.#senders();
        await Promise.all(Array.from({ length: window }, () => senders.map(worker)).flat());
      }),
    pace: ({ perSecond, ...writing }) => this.#round(writing, () => this.#pace(writing.ms, perSecond)),
    catchUp: async () => {
      const beganAt = machineClockMs();
      let messages = 0;
      await this.#eachRecipient(async (user, at) => {
        for (let after = 0, hasMore = true; hasMore;) {
          const page = await user.connection.request('mailbox.read', { after });
          for (const { messageId } of page.items) this.#ledger.sees(messageId, at);
          messages += page.items.length;
          const cursors = page.items.map(({ cursor }) => cursor);
          if (cursors.length > 0) await user.connection.request('mailbox.acknowledge', { cursors });
          after = page.cursor;
          hasMore = page.hasMore;
        }
      });
      return { beganAt, endedAt: machineClockMs(), messages };
    },
    wrong: () =>
      Promise.resolve({
        wrong: this.#wrong + this.#ledger.wrong,
        messages: this.#messages + this.#ledger.messages,
      }),
  };

  #senders(): readonly number[] {
    return this.#users.flatMap((_, at) => (at % 2 === 0 ? [at] : []));
  }

  #peerOf(at: number): BareUser {
    return this.#user(at ^ 1);
  }

  #user(at: number): BareUser {
    const user = this.#users[at];
    if (!user) throw new TypeError('there is no such user');
    return user;
  }

  async #eachRecipient(act: (user: BareUser, at: number) => Promise<void>): Promise<null> {
    await Promise.all(this.#users.map(async (user, at) => (at % 2 === 1 ? act(user, at) : undefined)));
    return null;
  }

  async #signIn(user: BareUser, at: number): Promise<void> {
    await user.signIn();
    this.#grouped.set(at, new GroupedSends(user.connection));
    user.connection.onEvent = (name, payload) => {
      if (name === 'mailbox.arrived') this.#arrived(at, (payload as EventOf<'mailbox.arrived'>).items);
    };
  }

  async #round({ toAway, isGrouped }: Writing, send: () => Promise<void>): Promise<Flood> {
    if (!toAway || this.#ledger.arrived > 0) this.#nextLedger();
    const ledger = this.#ledger;
    const before = ledger.messages;
    this.#isGrouped = isGrouped;
    const beganAt = machineClockMs();
    await send();
    if (!toAway) {
      await until(
        'all messages and receipts',
        () =>
          (ledger.arrived >= ledger.messages &&
            ledger.receiptsArrived >= ledger.receipts &&
            this.#collections === 0) ||
          undefined,
        ARRIVAL_DEADLINE_MS,
      );
    }
    const { messages, storedAt, receiptedAt, receipts, refusals } = ledger;
    return {
      ...{ messages: messages - before, beganAt, storedAt, receiptedAt, receipts, refusals },
      arrivedAt: toAway ? storedAt : ledger.arrivedAt,
      storedAfterMs: ledger.storedQuantiles,
      arrivedAfterMs: ledger.arrivedQuantiles,
    };
  }

  #nextLedger(): void {
    this.#wrong += this.#ledger.wrong;
    this.#messages += this.#ledger.messages;
    this.#ledger = new MailboxLedger();
  }

  async #pace(ms: number, perSecond: number): Promise<void> {
    const senders = this.#senders();
    const beganAt = machineClockMs();
    const sendings: Promise<void>[] = [];
    const count = Math.ceil((ms * perSecond) / 1_000);
    while (sendings.length < count) {
      const due = Math.min(count, Math.ceil(((machineClockMs() - beganAt) * perSecond) / 1_000));
      while (sendings.length < due) {
        // Counted from when it was due: a sender that falls behind does not make the figure better.
        const dueAt = beganAt + (sendings.length * 1_000) / perSecond;
        sendings.push(this.#send(senders[sendings.length % senders.length] ?? 0, dueAt));
      }
      await delay(PACE_STEP_MS);
    }
    await Promise.all(sendings);
  }

  async #send(sender: number, dueAt: number): Promise<void> {
    const messageId = newMessageId(TEXT);
    const ledger = this.#ledger;
    ledger.sends(messageId, sender ^ 1, dueAt);
    await this.#untilStored(sender, messageId, false);
    ledger.stored(dueAt);
  }

  /** As often as the supernode asks to wait, and no longer than it asks. */
  async #untilStored(sender: number, messageId: MessageId, isReceipt: boolean): Promise<void> {
    const peer = this.#peerOf(sender);
    const copy = {
      to: { userId: peer.userId, deviceId: peer.deviceId },
      envelope: { scheme: 'bench', sealed: this.#sealed },
    };
    const request = {
      ...{ messageId, to: peer.userId, isReceipt, listVersions: { peer: 1, own: 1 } },
      copies: [copy],
    };
    await this.#patiently(async () => {
      if (this.#isGrouped) await this.#grouped.get(sender)?.send(request);
      else await this.#user(sender).connection.request('message.send', request);
    });
  }

  async #patiently(act: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        await act();
        return;
      } catch (error) {
        if (!(error instanceof RefusedError) || error.code !== 'RATE_LIMITED') throw error;
        this.#ledger.refusals += 1;
        await delay(error.retryAfterMs);
      }
    }
  }

  #arrived(at: number, items: readonly MailboxItem[]): void {
    for (const { messageId, cursor } of items) {
      const isText = messageId.startsWith(TEXT);
      if (isText) this.#ledger.sees(messageId, at);
      else this.#ledger.seesReceipt();
      this.#collect(at, cursor, isText);
    }
  }

  #collect(at: number, cursor: number, isText: boolean): void {
    const known = this.#collected.get(at);
    const collected: Collected = known ?? { cursors: [], texts: 0 };
    collected.cursors.push(cursor);
    if (isText) collected.texts += 1;
    if (known) return;
    this.#collected.set(at, collected);
    this.#collections += 1;
    setTimeout(() => void this.#takeAll(at), COLLECT_MS);
  }

  /** One acknowledgement and one receipt for all that was collected, as far as a request holds it. */
  async #takeAll(at: number): Promise<void> {
    const { cursors = [], texts = 0 } = this.#collected.get(at) ?? {};
    this.#collected.delete(at);
    const { connection } = this.#user(at);
    for (let from = 0; from < cursors.length; from += LIMITS.maxMailboxItems) {
      const some = cursors.slice(from, from + LIMITS.maxMailboxItems);
      await this.#patiently(async () => {
        await connection.request('mailbox.acknowledge', { cursors: some });
      });
    }
    for (let left = texts; left > 0; left -= LIMITS.maxReceiptsPerMessage) {
      this.#ledger.receipts += 1;
      await this.#untilStored(at, newMessageId(RECEIPT), true);
    }
    this.#collections -= 1;
  }
}

function newMessageId(first = TEXT): MessageId {
  return messageIdSchema.parse(`${first}${randomBytes(16).toString('base64url').slice(1)}`);
}
