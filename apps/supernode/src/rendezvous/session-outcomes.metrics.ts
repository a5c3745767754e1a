import { Injectable } from '@nestjs/common';
import type { RequestOf } from '@parley/protocol';
import { Metrics } from '../observability/metrics.ts';
import type { SessionOutcomes } from './session-outcomes.port.ts';

const SECONDS = [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** Session outcomes as metrics: by what path, how long until the first data, how long until direct. */
@Injectable()
export class MetricSessionOutcomes implements SessionOutcomes {
  private readonly sessions;
  private readonly setup;
  private readonly upgrade;

  constructor(metrics: Metrics) {
    this.sessions = metrics.counter('sessions_total', 'Sessions that clients reported, by outcome', [
      'outcome',
    ]);
    this.setup = metrics.histogram(
      'session_setup_seconds',
      'From openSession to a usable path, as reported',
      SECONDS,
    );
    this.upgrade = metrics.histogram(
      'session_upgrade_seconds',
      'From openSession to a direct path, as reported',
      SECONDS,
    );
  }

  record({ outcome, setupMs, upgradeMs }: RequestOf<'session.report'>): void {
    this.sessions.inc({ outcome });
    this.setup.observe(setupMs / 1000);
    if (upgradeMs !== null) this.upgrade.observe(upgradeMs / 1000);
  }
}
