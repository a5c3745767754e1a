import type { Envelope, MessageId, UserId } from '@parley/protocol';
import { asEdgeError, edgeError, EdgeClientError } from '../errors.ts';
import { findDevice } from '../identity/device-list-chain.ts';
import type { Party } from '../rendezvous/signed-session.ts';
import { deferred, type Deferred } from '../session/deferred.ts';
import { InboxRows } from './inbox-rows.ts';
import {
  applyEarlyReceipts,
  applyReceipt,
  type IncomingReceipt,
  type ReceiptNews,
} from './incoming-receipts.ts';
import {
  dueReceiptRow,
  type FindMessage,
  type MessageBook,
  type Transaction,
  type WorkingChange,
} from './message-book.ts';
import { FORGERIES, MAX_MESSAGE_AGE_MS, openMessage, type OpenedMessage } from './message-sealing.ts';
import type { MessageDropReason, MessagesContext } from './messages-context.ts';
import { keyOfMessage, messageKey, type MessageKey, type StoredMessage } from './stored-message.ts';

/** One copy as it came, by whichever road. */
export interface IncomingCopy {
  /** The sending device, as the supernode or the session says. */
  readonly from: Party;
  readonly messageId: MessageId;
  readonly envelope: Envelope;
}

/**
 * What became of a copy. `waiting`: kept, and the app has not acknowledged it yet. `settled`: nothing more is needed of it.
 * `held`: it cannot be judged for now, and whoever brought it must keep it.
 */
export type TakeOutcome = 'waiting' | 'settled' | 'held';

export interface InboxListener {
  /** For the app, which has to acknowledge it. */
  arrived(message: StoredMessage): void;
  requested(message: StoredMessage): void;
  receipt(receipt: ReceiptNews): void;
}

/** Unanswered messages in the request box, of one stranger and of all. */
const MAX_REQUESTS_PER_USER = 20;
const MAX_REQUESTS = 500;

/** What is to be done for one copy. */
interface Judged {
  readonly outcome: TakeOutcome;
  readonly message?: StoredMessage;
  readonly receipt?: IncomingReceipt;
  readonly rows: readonly WorkingChange[];
}

/** Copies that came together. */
interface Call {
  readonly copies: readonly IncomingCopy[];
  readonly done: Deferred<readonly TakeOutcome[]>;
}

const SETTLED: Judged = { outcome: 'settled', rows: [] };
/** Copies of one commit, so that the first of them do not wait for too many others. */
const MAX_COPIES_AT_ONCE = 256;

/** Takes copies in, by whichever road and however often they come: each message is kept once, then told once. */
export class Inbox {
  readonly #context: MessagesContext;
  readonly #book: MessageBook;
  readonly #listener: InboxListener;
  /** Keys in the request box, by sending user. */
  readonly #requests = new Map<UserId, Set<MessageKey>>();
  /** Kept, and not acknowledged by the app. */
  readonly #waiting = new Set<MessageKey>();
  /** Copies are judged one after the other, so that two of one message cannot pass each other. */
  readonly #calls: Call[] = [];
  #taking: Promise<void> | undefined;

  constructor(context: MessagesContext, book: MessageBook, listener: InboxListener) {
    this.#context = context;
    this.#book = book;
    this.#listener = listener;
  }

  /** What an earlier run of the app did not get to. Call it once, before anything is taken. */
  async restore(): Promise<readonly StoredMessage[]> {
    for (const message of await this.#book.inState('request')) this.#noteRequest(message);
    const arrived = await this.#book.inState('arrived');
    for (const message of arrived) this.#waiting.add(keyOfMessage(message));
    return arrived;
  }

  /**
   * Takes copies in with one commit, which copies of the same moment share; the answer is in their order. After an error
   * none of them was taken.
   *
   * @throws what keeps device lists from being asked for, EDGE_MESSAGES_UNUSABLE
   */
  take(copies: readonly IncomingCopy[]): Promise<readonly TakeOutcome[]> {
    const done = deferred<readonly TakeOutcome[]>();
    this.#calls.push({ copies, done });
    this.#taking ??= this.#takeAll();
    return done.promise;
  }

  /** The app has acknowledged it: commits that, and the receipt that its sender gets. */
  async acknowledge(message: StoredMessage): Promise<void> {
    const key = keyOfMessage(message);
    const { from, peer, messageId } = message;
    const isTheirs = from.userId !== this.#context.self().userId;
    const due = isTheirs ? [dueReceiptRow({ peer, messageId, receipt: 'delivered' })] : [];
    await this.#book.change([key], (current) => ({ ...current, state: 'done' }), due);
    this.#waiting.delete(key);
  }

  /** The messages of a user leave the request box. */
  async releaseRequests(userId: UserId, state: 'arrived' | 'declined'): Promise<readonly StoredMessage[]> {
    const keys = [...(this.#requests.get(userId) ?? [])];
    const released = await this.#book.change(keys, (message) => ({ ...message, state }));
    this.#requests.delete(userId);
    if (state === 'arrived') for (const key of keys) this.#waiting.add(key);
    return released;
  }

  /** Resolves when nothing is being taken in. */
  async idle(): Promise<void> {
    await this.#taking;
  }

  /** Whether the app still has to acknowledge it. */
  isWaiting(key: MessageKey): boolean {
    return this.#waiting.has(key);
  }

  /** Keys in the request box. */
  requests(): readonly MessageKey[] {
    return [...this.#requests.values()].flatMap((keys) => [...keys]);
  }

  async #takeAll(): Promise<void> {
    // A turn later, so that copies of one moment share the commit.
    await Promise.resolve();
    while (this.#calls.length > 0) await this.#takeTogether(this.#nextCalls());
    this.#taking = undefined;
  }

  #nextCalls(): readonly Call[] {
    let copies = 0;
    let count = 0;
    for (const call of this.#calls) {
      copies += call.copies.length;
      if (count > 0 && copies > MAX_COPIES_AT_ONCE) break;
      count += 1;
    }
    return this.#calls.splice(0, count);
  }

  async #takeTogether(calls: readonly Call[]): Promise<void> {
    const judged = new Map<Call, readonly Judged[]>();
    const inThisTurn = new Set<MessageKey>();
    for (const call of calls) {
      try {
        judged.set(call, await this.#judgeAll(call.copies, inThisTurn));
      } catch (thrown) {
        call.done.reject(asError(thrown));
      }
    }
    const all = [...judged.values()].flat();
    let effects: readonly (() => void)[];
    try {
      effects = await this.#book.transact((find) => this.#changesOf(all, find));
    } catch (thrown) {
      this.#forgetRequests(all);
      for (const { done } of judged.keys()) done.reject(asError(thrown));
      return;
    }
    for (const effect of effects) effect();
    for (const [{ done }, verdicts] of judged) done.resolve(verdicts.map(({ outcome }) => outcome));
  }

  async #judgeAll(copies: readonly IncomingCopy[], inThisTurn: Set<MessageKey>): Promise<readonly Judged[]> {
    const judged: Judged[] = [];
    const keys: MessageKey[] = [];
    try {
      for (const copy of copies) {
        const key = messageKey(copy.from.deviceId, copy.messageId);
        if (this.#book.isKnown(key) || inThisTurn.has(key)) {
          judged.push(this.#duplicate(key, inThisTurn));
          continue;
        }
        const verdict = await this.#judge(copy);
        judged.push(verdict);
        if (!verdict.message && !verdict.receipt) continue;
        keys.push(key);
        inThisTurn.add(key);
      }
      return judged;
    } catch (thrown) {
      // None of these is taken: the same copy in another call is no duplicate.
      for (const key of keys) inThisTurn.delete(key);
      this.#forgetRequests(judged);
      throw thrown;
    }
  }

  /** Messages first: a receipt may be about one that came with it. */
  async #changesOf(
    judged: readonly Judged[],
    find: FindMessage,
  ): Promise<Transaction<readonly (() => void)[]>> {
    const rows = new InboxRows(this.#book, find);
    const effects: (() => void)[] = [];
    for (const { message } of judged) {
      if (!message) continue;
      const early = applyEarlyReceipts(this.#context, rows, message);
      rows.put(early.message);
      effects.push(() => this.#tell(early.message));
      for (const news of early.news) effects.push(() => this.#listener.receipt(news));
    }
    for (const { receipt } of judged) {
      const news = receipt && (await applyReceipt(this.#context, rows, receipt));
      if (news) effects.push(() => this.#listener.receipt(news));
    }
    const others = judged.flatMap((one) => one.rows);
    return { changes: [...rows.changes(), ...others], result: effects };
  }

  #tell(message: StoredMessage): void {
    if (message.state === 'request') this.#listener.requested(message);
    if (message.state !== 'arrived') return;
    this.#waiting.add(keyOfMessage(message));
    this.#listener.arrived(message);
  }

  #duplicate(key: MessageKey, inThisTurn: ReadonlySet<MessageKey>): Judged {
    this.#context.drops.count('duplicate');
    // A copy of a message that the app still has to acknowledge is as little acknowledged as the first one.
    return this.#waiting.has(key) || inThisTurn.has(key) ? { outcome: 'waiting', rows: [] } : SETTLED;
  }

  async #judge(copy: IncomingCopy): Promise<Judged> {
    const context = this.#context;
    if (context.contactState(copy.from.userId) === 'blocked') return this.#drop('blocked');
    let listProblem: 'held' | 'unknown-device' | undefined;
    const opened = await openMessage(
      copy.envelope,
      context.providers,
      { tenant: context.tenant, self: context.self(), now: context.now(), ...copy },
      async () => {
        const found = await this.#senderKey(copy.from);
        if (found.key === undefined) listProblem = found.problem;
        return found.key;
      },
    );
    if (listProblem === 'held') return { ...this.#drop('list-refused'), outcome: 'held' };
    if (listProblem === 'unknown-device') return this.#drop('unknown-device');
    if (!opened.ok) {
      if (FORGERIES.has(opened.reason)) {
        context.alert({ userId: copy.from.userId, error: edgeError('EDGE_MESSAGE_FORGED') });
      }
      return this.#drop(opened.reason);
    }
    return opened.message.content.kind === 'receipt'
      ? this.#judgeReceipt(opened.message, opened.message.content)
      : this.#judgeMessage(opened.message);
  }

  #judgeMessage(message: OpenedMessage): Judged {
    const { content } = message;
    if (content.kind === 'receipt') return SETTLED;
    const { conversation, messageId, from, sentAt, clock } = message;
    const self = this.#context.self();
    const isOwn = from.userId === self.userId;
    const stored: StoredMessage = {
      ...{ conversation, messageId, from, sentAt, clock, content },
      peer: isOwn ? message.peer : from.userId,
      state: content.kind === 'unknown' ? 'unread' : this.#stateFor(from.userId),
      storedAt: null,
      receipts: {},
      isRead: false,
    };
    if (stored.state === 'request' && !this.#hasRoomForRequest(from.userId))
      return this.#drop('request-box-full');
    // At once: the next copy of the same turn has to find the box fuller.
    if (stored.state === 'request') this.#noteRequest(stored);
    const advance = this.#book.advanceClock(conversation, clock);
    const outcome = stored.state === 'arrived' ? 'waiting' : 'settled';
    return { outcome, message: stored, rows: advance ? [advance] : [] };
  }

  /** The supernode's word on who is a stranger is not needed: the contact list says it. */
  #stateFor(userId: UserId): StoredMessage['state'] {
    const isKnown =
      userId === this.#context.self().userId || this.#context.contactState(userId) === 'accepted';
    return isKnown ? 'arrived' : 'request';
  }

  /** Its row and what it changes are committed as one: it is applied once, and never lost. */
  #judgeReceipt(
    { conversation, messageId, from, clock, sentAt, peer }: OpenedMessage,
    { receipt, messageIds }: Pick<IncomingReceipt, 'receipt' | 'messageIds'>,
  ): Judged {
    const { self, now } = this.#context;
    const until = sentAt + MAX_MESSAGE_AGE_MS;
    const advance = this.#book.advanceClock(conversation, clock);
    const seen = { table: 'seen' as const, key: messageKey(from.deviceId, messageId), value: until };
    return {
      outcome: 'settled',
      receipt: {
        ...{ from, receipt, messageIds, until, at: now() },
        peer: from.userId === self().userId ? peer : from.userId,
      },
      rows: [seen, ...(advance ? [advance] : [])],
    };
  }

  async #senderKey({ userId, deviceId }: Party): Promise<SenderKey> {
    const { lists } = this.#context;
    try {
      const known = findDevice(await lists.verified(userId), deviceId);
      // A device that was added since we last asked is no ghost yet.
      const device = known ?? findDevice(await lists.refresh(userId), deviceId);
      return device ? { key: device.key } : { key: undefined, problem: 'unknown-device' };
    } catch (thrown) {
      if (!(thrown instanceof EdgeClientError)) throw thrown;
      if (thrown.code === 'NOT_FOUND') return { key: undefined, problem: 'unknown-device' };
      // The list may be accepted later (a new account key); a list that cannot be asked for says nothing.
      if (thrown.retryable) throw thrown;
      return { key: undefined, problem: 'held' };
    }
  }

  #hasRoomForRequest(userId: UserId): boolean {
    return (
      (this.#requests.get(userId)?.size ?? 0) < MAX_REQUESTS_PER_USER && this.requests().length < MAX_REQUESTS
    );
  }

  #noteRequest(message: StoredMessage): void {
    const keys = this.#requests.get(message.peer) ?? new Set();
    this.#requests.set(message.peer, keys.add(keyOfMessage(message)));
  }

  #forgetRequests(judged: readonly Judged[]): void {
    for (const { message } of judged) {
      if (message?.state === 'request') this.#requests.get(message.peer)?.delete(keyOfMessage(message));
    }
  }

  #drop(reason: MessageDropReason): Judged {
    this.#context.drops.count(reason);
    return SETTLED;
  }
}

type SenderKey =
  { readonly key: string } | { readonly key: undefined; readonly problem: 'held' | 'unknown-device' };

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : asEdgeError(thrown, 'EDGE_PROTOCOL_VIOLATION');
}
