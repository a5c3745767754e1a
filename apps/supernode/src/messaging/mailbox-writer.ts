import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import type { RequestOf } from '@parley/protocol';
import { SCHEDULER, type Scheduler } from '../clock/scheduler.port.ts';
import type { Caller } from '../identity/caller.ts';
import { isStoreUnavailable } from '../persistence/store-unavailable.ts';
import { BatchQueue, type BatchLimits } from '../batch-queue.ts';
import { MAILBOX_STORE, type Acknowledgement, type MailboxStore } from './mailbox-store.port.ts';
import { MessageBatches, type Sending, type SendOutcome } from './message-batches.ts';
import type { SendRequest } from './message-admission.ts';
import { MessagingMetrics } from './messaging-metrics.ts';

/** A batch stays small enough that a commit takes milliseconds; what waits is bounded in number and in bytes. */
const SENDINGS: BatchLimits = {
  lingerMs: 1,
  maxItems: 400,
  maxWeight: 2 * 1024 * 1024,
  maxQueuedItems: 8_000,
  maxQueuedWeight: 64 * 1024 * 1024,
};
const ACKNOWLEDGEMENTS: BatchLimits = {
  lingerMs: 1,
  maxItems: 400,
  maxWeight: 10_000,
  maxQueuedItems: 8_000,
  maxQueuedWeight: 400_000,
};

/**
 * The one writer of this supernode to all mailboxes. It commits what many devices ask for together, which is what makes
 * a durable write cheap, and one batch after another, so that messages of one device keep their order.
 */
@Injectable()
export class MailboxWriter implements OnModuleDestroy {
  private readonly sendings: BatchQueue<Sending, SendOutcome>;
  private readonly acknowledgements: BatchQueue<Acknowledgement, undefined>;

  constructor(
    batches: MessageBatches,
    @Inject(MAILBOX_STORE) mailboxes: MailboxStore,
    @Inject(SCHEDULER) scheduler: Scheduler,
    metrics: MessagingMetrics,
  ) {
    this.sendings = new BatchQueue((items) => batches.commit(items), SENDINGS, scheduler, isStoreUnavailable);
    this.acknowledgements = new BatchQueue(
      async (items) => {
        metrics.wasAcknowledged(await mailboxes.acknowledge(items));
        return items.map(() => undefined);
      },
      ACKNOWLEDGEMENTS,
      scheduler,
      isStoreUnavailable,
    );
    metrics.watchQueue(() => this.sendings.length);
  }

  /**
   * Resolves when the message is committed, or refused by the rules.
   *
   * @throws Refusal RATE_LIMITED, SHUTTING_DOWN, or what the database throws; the same message may then be sent again
   */
  send(caller: Caller, request: SendRequest): Promise<SendOutcome> {
    const weight = request.copies.reduce((sum, { envelope }) => sum + envelope.sealed.length, 0);
    return this.sendings.add({ caller, request }, weight);
  }

  async acknowledge(
    { tenant, deviceId }: Caller,
    { cursors }: RequestOf<'mailbox.acknowledge'>,
  ): Promise<void> {
    await this.acknowledgements.add({ tenant, deviceId, cursors: [...new Set(cursors)] }, cursors.length);
  }

  async onModuleDestroy(): Promise<void> {
    await Promise.all([this.sendings.close(), this.acknowledgements.close()]);
  }
}
