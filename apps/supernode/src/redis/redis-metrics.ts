import type { Counter, Histogram } from 'prom-client';
import type { Metrics } from '../observability/metrics.ts';

const SECONDS = [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2];

/** What operators see of Redis from one supernode. */
export class RedisMetrics {
  private readonly roundTrips: Histogram<'operation'>;
  private readonly failures: Counter<'operation' | 'code'>;
  private readonly emptyings: Counter;

  constructor(metrics: Metrics, isUp: () => boolean) {
    this.roundTrips = metrics.histogram(
      'redis_round_trip_seconds',
      'Time until Redis answered a command or script',
      SECONDS,
      ['operation'],
    );
    this.failures = metrics.counter(
      'redis_failures_total',
      'Commands and scripts that failed, by error code',
      ['operation', 'code'],
    );
    this.emptyings = metrics.counter('redis_emptied_total', 'Times that Redis came back without what it had');
    metrics.gauge('redis_up', 'Whether Redis answers', [], (gauge) => gauge.set(isUp() ? 1 : 0));
  }

  succeeded(operation: string, milliseconds: number): void {
    this.roundTrips.observe({ operation }, milliseconds / 1000);
  }

  failed(operation: string, code: string): void {
    this.failures.inc({ operation, code });
  }

  emptied(): void {
    this.emptyings.inc();
  }
}
