import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { ClusterEvent } from './cluster-driver.ts';
import type { ClusterOwnership } from './cluster-ownership.ts';

/** Tells those who need to know what happened in the cluster core: services, the log, the counters. */
export class ClusterEvents {
  private readonly decisions;
  private readonly standings;
  private readonly failures;

  constructor(
    private readonly ownership: ClusterOwnership,
    private readonly logger: Logger,
    metrics: Metrics,
  ) {
    this.decisions = metrics.counter(
      'cluster_decisions_total',
      'Decisions of this supernode as coordinator that took effect',
      ['action', 'reason'],
    );
    this.standings = metrics.counter(
      'cluster_standing_changes_total',
      'Times that what this supernode may do for its slots changed',
      ['to', 'cause'],
    );
    this.failures = metrics.counter(
      'cluster_request_failures_total',
      'Requests of the election to the stores that failed',
      ['request'],
    );
  }

  happened(event: ClusterEvent): void {
    switch (event.kind) {
      case 'roster-adopted': {
        const { epoch, coordinator, seats } = event.roster;
        const active = seats.map(({ nodeId }) => nodeId);
        this.logger.info({ epoch, coordinator, active }, 'roster adopted');
        return;
      }
      case 'ownership-changed': {
        const { gained, lost } = event;
        this.logger.info({ gained: gained.size, lost: lost.size }, 'slots changed hands');
        this.ownership.changed({ gained: new Set(gained.keys()), lost });
        return;
      }
      case 'standing-changed':
        this.standings.inc({ to: event.to, cause: event.cause });
        this.logger.info({ from: event.from, to: event.to, cause: event.cause }, 'standing changed');
        return;
      case 'state-changed':
        this.logger.info({ from: event.from, to: event.to, cause: event.cause }, 'state changed');
        return;
      case 'coordination-changed':
        this.logger.info({ isCoordinator: event.isCoordinator }, 'coordination changed');
        return;
      case 'alert-raised':
        this.logger.warn({ code: event.code, detail: event.detail }, 'cluster alert');
        return;
      case 'alert-cleared':
        this.logger.info({ code: event.code }, 'cluster alert is over');
        return;
      case 'decision': {
        const { action, reason, nodeId, epoch, detail } = event.decision;
        this.decisions.inc({ action, reason });
        this.logger.info({ action, reason, nodeId, epoch, detail }, 'decided');
        return;
      }
    }
  }

  failed(request: string, error: unknown): void {
    this.failures.inc({ request });
    this.logger.debug({ request, err: error }, 'a request of the election failed');
  }
}
