import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { SupernodeError } from '../errors.ts';
import { HealthRegistry } from '../observability/health-registry.ts';
import { Metrics } from '../observability/metrics.ts';
import { FlowRegistry } from './flow-registry.ts';
import { RELAY_SUPERVISOR } from './nat.service.ts';
import type { RelayStats } from './relay-messages.ts';
import type { RelaySupervisor } from './relay-supervisor.ts';

/** What operators see of the relay: health, and the counters of its thread when somebody reads the metrics. */
@Injectable()
export class RelayMetrics implements OnModuleInit {
  private readonly seenDrops = new Map<string, number>();

  constructor(
    @Inject(RELAY_SUPERVISOR) private readonly relay: RelaySupervisor | null,
    private readonly flows: FlowRegistry,
    private readonly metrics: Metrics,
    private readonly health: HealthRegistry,
  ) {}

  onModuleInit(): void {
    const { relay } = this;
    if (relay === null) return;
    this.health.register({
      name: 'relay',
      check: () =>
        relay.isRunning
          ? Promise.resolve()
          : Promise.reject(new SupernodeError('SN_RELAY_UNAVAILABLE', 'The relay thread does not run.')),
    });
    this.metrics.gauge('relay_restarts', 'Times that the relay thread ended unexpectedly', [], (gauge) =>
      gauge.set(relay.restarts),
    );
    this.metrics.gauge('relay_allocations', 'TURN allocations now', [], async (gauge) => {
      const stats = await relay.stats();
      if (stats === undefined) return;
      gauge.set(stats.turn.allocations);
      this.countDrops(stats);
    });
    this.metrics.gauge(
      'relay_connections',
      'TCP and TLS connections that speak TURN now',
      [],
      async (gauge) => {
        const stats = await relay.stats();
        if (stats !== undefined) gauge.set(stats.streams.open);
      },
    );
    this.metrics.gauge(
      'relay_flows',
      'Registered flows now whose client is at a known address',
      [],
      async (gauge) => {
        const stats = await relay.stats();
        if (stats !== undefined) gauge.set(stats.flow.registeredFlows);
      },
    );
    this.metrics.gauge('relay_pairs', 'Relays between two registered flows now', [], async (gauge) => {
      const stats = await relay.stats();
      if (stats !== undefined) gauge.set(stats.flow.relayPairs);
    });
    this.metrics.gauge('relay_pairs_refused', 'Relays that a quota refused since the start', [], (gauge) =>
      gauge.set(this.flows.refusedRelays),
    );
    this.gaugeTraffic(
      relay,
      'relay_datagrams',
      'Datagrams relayed since the relay thread started',
      'datagrams',
    );
    this.gaugeTraffic(relay, 'relay_bytes', 'Payload bytes relayed since the relay thread started', 'bytes');
  }

  /** Each gauge asks for itself: what one sets while another is read would show a reading too late. */
  private gaugeTraffic(
    relay: RelaySupervisor,
    name: string,
    help: string,
    unit: 'datagrams' | 'bytes',
  ): void {
    this.metrics.gauge(name, help, ['direction'], async (gauge) => {
      const stats = await relay.stats();
      if (stats === undefined) return;
      gauge.set({ direction: 'to-peers' }, stats.turn.toPeers[unit]);
      gauge.set({ direction: 'to-clients' }, stats.turn.toClients[unit]);
      gauge.set({ direction: 'between-flows' }, stats.flow.forwarded[unit]);
    });
  }

  private countDrops({ turn, stun, flow, streams, tls }: RelayStats): void {
    this.countDropsOf('flow', flow.drops);
    this.countDropsOf('turn', turn.drops);
    this.countDropsOf('turn-stream', { ...streams.drops, ...streams.ended, ...streams.refused });
    if (tls !== undefined) this.countDropsOf('tls', tls.drops);
    for (const [index, { drops }] of stun.entries()) this.countDropsOf('stun', drops, index);
  }

  private countDropsOf(component: string, drops: Readonly<Record<string, number>>, listener = 0): void {
    for (const [reason, total] of Object.entries(drops)) {
      const key = `${component} ${listener} ${reason}`;
      const seen = this.seenDrops.get(key) ?? 0;
      // A thread that was started again counts from zero.
      const added = total >= seen ? total - seen : total;
      if (added > 0) this.metrics.drop(component, reason, added);
      this.seenDrops.set(key, total);
    }
  }
}
