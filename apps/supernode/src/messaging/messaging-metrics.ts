import { Injectable } from '@nestjs/common';
import { Metrics } from '../observability/metrics.ts';
import type { AppendOutcome } from './mailbox-store.port.ts';

/** By which road a copy was delivered: as it came in, or when the device read its mailbox. */
export type DeliveryRoad = 'event' | 'read';

/** What happens to messages, for operators. Silent drops are counted here and nowhere else. */
@Injectable()
export class MessagingMetrics {
  private readonly copies;
  private readonly delivered;
  private readonly acknowledged;
  private readonly batchCopies;
  private readonly commitSeconds;

  constructor(private readonly metrics: Metrics) {
    this.copies = metrics.counter('mailbox_copies_total', 'Copies of messages, by what became of them', [
      'outcome',
    ]);
    this.delivered = metrics.counter('mailbox_delivered_total', 'Copies sent to their device, by road', [
      'road',
    ]);
    this.acknowledged = metrics.counter('mailbox_acknowledged_total', 'Copies that their device has taken');
    this.batchCopies = metrics.histogram(
      'mailbox_batch_copies',
      'Copies committed together',
      [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000],
    );
    this.commitSeconds = metrics.histogram(
      'mailbox_commit_seconds',
      'From the begin of a batch to its commit',
      [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5],
    );
  }

  committed(outcomes: readonly AppendOutcome[], milliseconds: number): void {
    for (const { kind } of outcomes) {
      if (kind !== 'discarded') this.copies.inc({ outcome: kind });
    }
    this.batchCopies.observe(outcomes.length);
    this.commitSeconds.observe(milliseconds / 1000);
  }

  wasDelivered(road: DeliveryRoad, count: number): void {
    this.delivered.inc({ road }, count);
  }

  wasAcknowledged(count: number): void {
    this.acknowledged.inc(count);
  }

  drop(reason: string, count = 1): void {
    this.metrics.drop('messaging', reason, count);
  }

  /** @param length - read when the metrics are */
  watchQueue(length: () => number): void {
    this.metrics.gauge('mailbox_queue_length', 'Messages that wait for the database', [], (gauge) =>
      gauge.set(length()),
    );
  }
}
