import { describe, expect, it } from '@jest/globals';
import { Metrics } from './metrics.ts';

describe('Metrics', () => {
  it('counts drops by component and reason', async () => {
    const metrics = new Metrics({ withProcess: false });

    metrics.drop('gateway', 'rate-limited');
    metrics.drop('gateway', 'rate-limited', 2);
    metrics.drop('relay', 'malformed');

    const { contentType, body } = await metrics.exposition();
    expect(contentType).toContain('text/plain');
    expect(body).toContain('parley_drops_total{component="gateway",reason="rate-limited"} 3');
    expect(body).toContain('parley_drops_total{component="relay",reason="malformed"} 1');
  });

  it('reads a gauge at the moment that it is asked', async () => {
    const metrics = new Metrics({ withProcess: false });
    let connections = 1;
    metrics.gauge('connections', 'Connections now', [], (gauge) => gauge.set(connections));
    connections = 5;

    expect((await metrics.exposition()).body).toContain('parley_connections 5');
  });

  it('keeps the metrics of two supernodes in one process apart', async () => {
    const one = new Metrics();
    const two = new Metrics();
    one.drop('gateway', 'malformed');

    expect((await two.exposition()).body).not.toContain('reason="malformed"');
    expect((await two.exposition()).body).toContain('parley_process_cpu_seconds_total');
  });
});
