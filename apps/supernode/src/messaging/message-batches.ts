import { Inject, Injectable } from '@nestjs/common';
import type { DeviceId, WireErrorCode } from '@parley/protocol';
import { CLOCK, type Clock } from '../clock/clock.port.ts';
import { userKey, type Caller } from '../identity/caller.ts';
import { CORRESPONDENTS, type Correspondents, type CorrespondenceState } from './correspondents.port.ts';
import {
  MAILBOX_STORE,
  type AppendOutcome,
  type MailboxCopy,
  type MailboxStore,
} from './mailbox-store.port.ts';
import { MailboxDelivery } from './mailbox-delivery.service.ts';
import { admitMessage, type Admission, type SendRequest } from './message-admission.ts';
import { MessagingMetrics } from './messaging-metrics.ts';

/** One message on its way. */
export interface Sending {
  readonly caller: Caller;
  readonly request: SendRequest;
}

/** What the sender is told. */
export type SendOutcome =
  { readonly refusal: WireErrorCode } | { readonly storedAt: number; readonly full: readonly DeviceId[] };

/** One batch of messages of many senders: decide over each, store what is admitted in one transaction, deliver it. */
@Injectable()
export class MessageBatches {
  constructor(
    @Inject(CORRESPONDENTS) private readonly correspondents: Correspondents,
    @Inject(MAILBOX_STORE) private readonly mailboxes: MailboxStore,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly delivery: MailboxDelivery,
    private readonly metrics: MessagingMetrics,
  ) {}

  /** Outcomes in the order of the messages. Nothing is stored when it throws, as far as the database can be asked. */
  async commit(sendings: readonly Sending[]): Promise<readonly SendOutcome[]> {
    const began = this.clock.monotonic();
    const pairs = sendings.map(({ caller, request }) => ({
      tenant: caller.tenant,
      sender: caller.userId,
      recipient: request.to,
    }));
    const admissions = this.admitAll(sendings, await this.correspondents.find(pairs));
    const copies = admissions.flatMap((admission) => copiesOf(admission));
    const storedAt = this.clock.now();
    const outcomes = copies.length > 0 ? await this.mailboxes.append(copies, storedAt) : [];
    this.metrics.committed(outcomes, this.clock.monotonic() - began);
    this.delivery.arrived(copies, outcomes);
    const rest = outcomes.values();
    return admissions.map((admission) =>
      outcomeOf(
        admission,
        copiesOf(admission).map((copy) => [copy, rest.next().value] as const),
        storedAt,
      ),
    );
  }

  /** A stranger's messages of one batch count against each other. */
  private admitAll(
    sendings: readonly Sending[],
    states: readonly CorrespondenceState[],
  ): readonly Admission[] {
    const admitted = new Map<string, { requests: number; others: number }>();
    return sendings.map(({ caller, request }, at) => {
      const key = `${userKey(caller.tenant, caller.userId)} ${request.to}`;
      const before = admitted.get(key) ?? { requests: 0, others: 0 };
      const state = states[at];
      if (!state) return { refusal: 'INTERNAL' };
      const admission = admitMessage(caller, request, state, before);
      if ('refusal' in admission) return admission;
      if (admission.silentDrop) this.metrics.drop(admission.silentDrop);
      const kept = admission.copies.filter(
        ({ userId, isDiscarded }) => userId === request.to && !isDiscarded,
      );
      const requests = kept.filter(({ isRequest }) => isRequest).length;
      admitted.set(key, {
        requests: before.requests + requests,
        others: before.others + kept.length - requests,
      });
      return admission;
    });
  }
}

function copiesOf(admission: Admission): readonly MailboxCopy[] {
  return 'copies' in admission ? admission.copies : [];
}

function outcomeOf(
  admission: Admission,
  copies: readonly (readonly [MailboxCopy, AppendOutcome | undefined])[],
  storedAt: number,
): SendOutcome {
  if ('refusal' in admission) return admission;
  // A device was removed after the look at the lists: the sender has to seal for those that are left.
  if (copies.some(([, outcome]) => outcome?.kind === 'no-mailbox')) return { refusal: 'DEVICE_LIST_STALE' };
  const full = copies.filter(([, outcome]) => outcome?.kind === 'full').map(([copy]) => copy.deviceId);
  return { storedAt, full };
}
