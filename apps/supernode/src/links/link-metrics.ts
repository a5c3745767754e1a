import type { Counter } from 'prom-client';
import type { Metrics } from '../observability/metrics.ts';
import type { LinkLoss } from './links.port.ts';

/** What operators see of the links to other supernodes. */
export class LinkMetrics {
  private readonly messages: Counter<'message'>;
  private readonly frames: Counter;
  private readonly repeated: Counter;
  private readonly losses: Counter<'reason'>;
  private queued: () => number = () => 0;

  constructor(private readonly metrics: Metrics) {
    this.messages = metrics.counter(
      'link_messages_sent_total',
      'Messages to other supernodes, by what they say; each once however often it was sent',
      ['message'],
    );
    this.frames = metrics.counter('link_frames_sent_total', 'What was published for other supernodes');
    this.repeated = metrics.counter(
      'link_messages_repeated_total',
      'Messages to other supernodes that were sent again, for want of an acknowledgement',
    );
    this.losses = metrics.counter(
      'link_messages_lost_total',
      'Messages to other supernodes that were given up, by reason',
      ['reason'],
    );
    metrics.gauge('link_queue_messages', 'Messages that wait for other supernodes', [], (gauge) =>
      gauge.set(this.queued()),
    );
  }

  watchQueue(queued: () => number): void {
    this.queued = queued;
  }

  sent(message: string): void {
    this.messages.inc({ message });
  }

  frameSent(repeated: number): void {
    this.frames.inc();
    if (repeated > 0) this.repeated.inc(repeated);
  }

  lost(reason: LinkLoss): void {
    this.losses.inc({ reason });
  }

  dropped(reason: string, count = 1): void {
    this.metrics.drop('links', reason, count);
  }
}
