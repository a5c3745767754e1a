import { Inject, Injectable } from '@nestjs/common';
import type { MailboxItem } from '@parley/protocol';
import { NOTIFIER, type Notifier } from '../gateway/notifier.port.ts';
import { deviceKey, type DeviceAddress } from '../identity/caller.ts';
import { intoFrames } from './mailbox-frames.ts';
import type { AppendOutcome, MailboxCopy } from './mailbox-store.port.ts';
import { MessagingMetrics } from './messaging-metrics.ts';

interface Arrivals {
  readonly device: DeviceAddress;
  readonly items: MailboxItem[];
}

/**
 * Shows new copies to devices that are connected. It is no more than a short cut: every device reads its mailbox when it
 * comes back, so that nothing is kept here for one that is away.
 */
@Injectable()
export class MailboxDelivery {
  constructor(
    @Inject(NOTIFIER) private readonly notifier: Notifier,
    private readonly metrics: MessagingMetrics,
  ) {}

  /**
   * Outcomes are in the order of the copies. The senders are answered first: delivery takes nothing of their time. A copy that
   * was there already is shown again, as a commit whose outcome was not known has shown it to nobody.
   */
  arrived(copies: readonly MailboxCopy[], outcomes: readonly AppendOutcome[]): void {
    const arrivals = byDevice(copies, outcomes);
    setImmediate(() => {
      for (const arrival of arrivals) this.show(arrival);
    });
  }

  private show({ device, items }: Arrivals): void {
    for (const frame of intoFrames(items)) {
      if (!this.notifier.notifyConnected(device, 'mailbox.arrived', { items: frame })) return;
      this.metrics.wasDelivered('event', frame.length);
    }
  }
}

function byDevice(copies: readonly MailboxCopy[], outcomes: readonly AppendOutcome[]): Iterable<Arrivals> {
  const arrivals = new Map<string, Arrivals>();
  for (const [at, copy] of copies.entries()) {
    const outcome = outcomes[at];
    if (outcome?.kind !== 'stored' && outcome?.kind !== 'duplicate') continue;
    const known: Arrivals = arrivals.get(deviceKey(copy)) ?? { device: addressOf(copy), items: [] };
    const { messageId, from, envelope } = copy;
    known.items.push({ ...outcome.mark, messageId, from, envelope });
    arrivals.set(deviceKey(copy), known);
  }
  return arrivals.values();
}

function addressOf({ tenant, userId, deviceId }: MailboxCopy): DeviceAddress {
  return { tenant, userId, deviceId };
}
