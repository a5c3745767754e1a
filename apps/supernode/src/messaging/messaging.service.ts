import { Inject, Injectable } from '@nestjs/common';
import { LIMITS, type RequestOf, type ResponseOf } from '@parley/protocol';
import type { Caller } from '../identity/caller.ts';
import { Refusal } from '../refusal.ts';
import { FRAME_SEALED_BYTES } from './mailbox-frames.ts';
import { MAILBOX_STORE, type MailboxStore } from './mailbox-store.port.ts';
import { MailboxWriter } from './mailbox-writer.ts';
import { checkCopies } from './message-admission.ts';
import { MessagingMetrics } from './messaging-metrics.ts';

/** Durable delivery of sealed messages: into mailboxes, out of them, and away when their device has them. */
@Injectable()
export class MessagingService {
  constructor(
    @Inject(MAILBOX_STORE) private readonly mailboxes: MailboxStore,
    private readonly writer: MailboxWriter,
    private readonly metrics: MessagingMetrics,
  ) {}

  /** @throws Refusal BAD_REQUEST, NOT_FOUND, FORBIDDEN, DEVICE_NOT_LINKED, DEVICE_LIST_STALE, RATE_LIMITED, SHUTTING_DOWN */
  async send(caller: Caller, request: RequestOf<'message.send'>): Promise<ResponseOf<'message.send'>> {
    checkCopies(caller, request);
    const outcome = await this.writer.send(caller, request);
    if ('refusal' in outcome) throw new Refusal(outcome.refusal);
    return { storedAt: outcome.storedAt, full: [...outcome.full] };
  }

  /** Sends each by itself, all in one turn, so that they share a commit; settles when all are decided, in order. */
  sendBatch(
    caller: Caller,
    { messages }: RequestOf<'message.send-batch'>,
  ): Promise<readonly PromiseSettledResult<ResponseOf<'message.send'>>[]> {
    return Promise.allSettled(
      messages.map((message) =>
        message ? this.send(caller, message) : Promise.reject(new Refusal('BAD_REQUEST')),
      ),
    );
  }

  /** @throws Refusal DEVICE_NOT_LINKED */
  async read(caller: Caller, request: RequestOf<'mailbox.read'>): Promise<ResponseOf<'mailbox.read'>> {
    const { after, limit = LIMITS.maxMailboxItems } = request;
    const page = await this.mailboxes.read(caller, after, { items: limit, bytes: FRAME_SEALED_BYTES });
    if (!page) throw new Refusal('DEVICE_NOT_LINKED');
    const { items, hasMore, droppedThrough } = page;
    this.metrics.wasDelivered('read', items.length);
    const lastRead = items.at(-1)?.cursor ?? after;
    return {
      items: [...items],
      hasMore,
      continuity: droppedThrough > after ? 'gap' : 'complete',
      cursor: hasMore ? lastRead : Math.max(lastRead, droppedThrough),
    };
  }

  async acknowledge(
    caller: Caller,
    request: RequestOf<'mailbox.acknowledge'>,
  ): Promise<ResponseOf<'mailbox.acknowledge'>> {
    await this.writer.acknowledge(caller, request);
    return {};
  }
}
