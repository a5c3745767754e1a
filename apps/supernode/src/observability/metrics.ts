import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';

const PREFIX = 'parley_';

/** What the reference page says of one metric. */
export interface MetricDescription {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly labels: readonly string[];
  readonly help: string;
}

/** The metrics of this supernode. Names are prefixed with `parley_`; labels never hold an address or a user. */
export class Metrics {
  private readonly registry = new Registry();
  private readonly descriptions: MetricDescription[] = [];
  private readonly drops = this.counter('drops_total', 'What was dropped rather than served, by reason', [
    'component',
    'reason',
  ]);

  constructor(options: { withProcess: boolean } = { withProcess: true }) {
    if (options.withProcess) collectDefaultMetrics({ register: this.registry, prefix: PREFIX });
  }

  /** Counts one thing that was dropped: malformed, over a limit, not entitled. */
  drop(component: string, reason: string, count = 1): void {
    this.drops.inc({ component, reason }, count);
  }

  counter<Label extends string>(
    name: string,
    help: string,
    labelNames: readonly Label[] = [],
  ): Counter<Label> {
    this.describe('counter', name, help, labelNames);
    return new Counter({
      name: PREFIX + name,
      help,
      labelNames: [...labelNames],
      registers: [this.registry],
    });
  }

  /** @param collect - sets the value at the moment that it is read */
  gauge<Label extends string>(
    name: string,
    help: string,
    labelNames: readonly Label[] = [],
    collect?: (gauge: Gauge<Label>) => void | Promise<void>,
  ): Gauge<Label> {
    this.describe('gauge', name, help, labelNames);
    const gauge: Gauge<Label> = new Gauge({
      name: PREFIX + name,
      help,
      labelNames: [...labelNames],
      registers: [this.registry],
      ...(collect === undefined ? {} : { collect: () => collect(gauge) }),
    });
    return gauge;
  }

  histogram<Label extends string>(
    name: string,
    help: string,
    buckets: readonly number[],
    labelNames: readonly Label[] = [],
  ): Histogram<Label> {
    this.describe('histogram', name, help, labelNames);
    return new Histogram({
      name: PREFIX + name,
      help,
      labelNames: [...labelNames],
      buckets: [...buckets],
      registers: [this.registry],
    });
  }

  /** All metrics of Parley's own that exist now, by name; without those of the process. */
  get described(): readonly MetricDescription[] {
    return this.descriptions.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  private describe(
    type: MetricDescription['type'],
    name: string,
    help: string,
    labels: readonly string[],
  ): void {
    this.descriptions.push({ name: PREFIX + name, type, labels, help });
  }

  /** The text that Prometheus reads, with its content type. */
  async exposition(): Promise<{ contentType: string; body: string }> {
    return { contentType: this.registry.contentType, body: await this.registry.metrics() };
  }
}
