import { instant } from '@parley/nat';
import type { Clock } from '../clock/clock.port.ts';
import type { Metrics } from '../observability/metrics.ts';
import { CLUSTER_ALERTS, type ClusterAlert, type ClusterView } from './core/cluster-io.ts';
import { STANDINGS } from './core/standing.ts';
import { NODE_STATES } from './node-record.ts';
import { slotsOf } from './roster.ts';

/** What operators see of the cluster from one supernode, at the moment that they look. */
export function registerClusterGauges(metrics: Metrics, view: ClusterView, clock: Clock): void {
  const now = () => instant(clock.monotonic());
  metrics.gauge('cluster_roster_epoch', 'Epoch of the roster that this supernode follows', [], (gauge) =>
    gauge.set(view.roster.epoch),
  );
  metrics.gauge('cluster_seats', 'Active supernodes in the roster', [], (gauge) =>
    gauge.set(view.roster.seats.length),
  );
  metrics.gauge('cluster_slots', 'Slots that this supernode owns by the roster', [], (gauge) => {
    const { nodeId, incarnation } = view.identity;
    gauge.set(slotsOf(view.roster, nodeId, incarnation).size);
  });
  metrics.gauge('cluster_coordinator', 'Whether this supernode is the coordinator', [], (gauge) =>
    gauge.set(view.isCoordinator(now()) ? 1 : 0),
  );
  metrics.gauge(
    'cluster_standing',
    'What this supernode may do for its slots now: 1 for one of the values',
    ['standing'],
    (gauge) => {
      const current = view.standing(now());
      for (const standing of STANDINGS) gauge.set({ standing }, standing === current ? 1 : 0);
    },
  );
  metrics.gauge('cluster_supernodes', 'Supernodes with a lease, by state', ['state'], (gauge) => {
    const counts = new Map(NODE_STATES.map((state) => [state, 0]));
    for (const { record } of view.nodes) counts.set(record.state, (counts.get(record.state) ?? 0) + 1);
    for (const [state, count] of counts) gauge.set({ state }, count);
  });
  metrics.gauge('cluster_alert', 'Alerts: 1 while one is raised', ['code'], (gauge) => {
    for (const code of Object.keys(CLUSTER_ALERTS) as ClusterAlert[])
      gauge.set({ code }, view.alerts.has(code) ? 1 : 0);
  });
}
