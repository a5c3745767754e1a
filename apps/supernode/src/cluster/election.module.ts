import { Inject, Module, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { ClockModule } from '../clock/clock.module.ts';
import type { Clock } from '../clock/clock.port.ts';
import { SCHEDULER, type Scheduler } from '../clock/scheduler.port.ts';
import { ConnectionAdmission } from '../gateway/connection-admission.ts';
import { GatewayModule } from '../gateway/gateway.module.ts';
import { LinksModule } from '../links/links.module.ts';
import { LINKS, type Links } from '../links/links.port.ts';
import { NatModule } from '../nat/nat.module.ts';
import { NatService } from '../nat/nat.service.ts';
import { LOGGER, type Logger } from '../observability/logger.ts';
import { Metrics } from '../observability/metrics.ts';
import { CLUSTER_ADMIN, ClusterAdmin } from './cluster-admin.ts';
import { ClusterEvents } from './cluster-events.ts';
import { registerClusterGauges } from './cluster-gauges.ts';
import type { ClusterOwnership } from './cluster-ownership.ts';
import { CLUSTER_RUNTIME, ClusterRuntime } from './cluster-runtime.ts';
import { CLUSTER_CLOCK, CLUSTER_CORE } from './cluster-tokens.ts';
import type { ClusterCore } from './core/cluster-core.ts';
import { LoadMeter } from './load-meter.ts';
import {
  COORDINATOR_LEASE,
  MEMBERSHIP_STORE,
  type CoordinatorLease,
  type MembershipStore,
} from './membership.port.ts';
import { CLUSTER_MEMBER, type ClusterMember } from './node-identity.ts';
import { OwnAddresses } from './own-addresses.ts';
import { OWNERSHIP, type Ownership } from './ownership.port.ts';
import { SocketPeerProbe } from './peer-probe.ts';
import { ROSTER_CHANNEL, type RosterChannel } from './roster-channel.port.ts';
import { ROSTER_STORE, type RosterStore } from './roster-store.port.ts';

/** What drives the cluster core. Above all concerns, since it measures them; imported in a cluster only. */
@Module({
  imports: [ClockModule, GatewayModule, LinksModule, NatModule],
  providers: [
    {
      provide: LoadMeter,
      useFactory: (admission: ConnectionAdmission, nat: NatService) =>
        new LoadMeter({
          connections: () => admission.connections,
          relayedBytes: () => relayedBytes(nat),
        }),
      inject: [ConnectionAdmission, NatService],
    },
    {
      provide: ClusterEvents,
      useFactory: (ownership: ClusterOwnership, logger: Logger, metrics: Metrics) =>
        new ClusterEvents(ownership, logger, metrics),
      inject: [OWNERSHIP, LOGGER, Metrics],
    },
    {
      provide: CLUSTER_RUNTIME,
      useFactory: (
        core: ClusterCore,
        self: ClusterMember,
        membership: MembershipStore,
        coordinatorLease: CoordinatorLease,
        rosters: RosterStore,
        channel: RosterChannel,
        clock: Clock,
        scheduler: Scheduler,
        load: LoadMeter,
        events: ClusterEvents,
        addresses: OwnAddresses,
        metrics: Metrics,
      ) => {
        registerClusterGauges(metrics, core, clock);
        const parts = { core, self, membership, coordinatorLease, rosters, channel, clock, scheduler };
        return new ClusterRuntime(
          {
            ...parts,
            probe: new SocketPeerProbe(),
            measureLoad: () => load.sample(),
            onEvent: (event) => events.happened(event),
            onFailure: (request, error) => events.failed(request, error),
          },
          addresses,
        );
      },
      inject: [
        CLUSTER_CORE,
        CLUSTER_MEMBER,
        MEMBERSHIP_STORE,
        COORDINATOR_LEASE,
        ROSTER_STORE,
        ROSTER_CHANNEL,
        CLUSTER_CLOCK,
        SCHEDULER,
        LoadMeter,
        ClusterEvents,
        OwnAddresses,
        Metrics,
      ],
    },
    {
      provide: CLUSTER_ADMIN,
      useFactory: (runtime: ClusterRuntime, ownership: Ownership, rosters: RosterStore, links: Links) =>
        new ClusterAdmin(runtime, ownership, rosters, links),
      inject: [CLUSTER_RUNTIME, OWNERSHIP, ROSTER_STORE, LINKS],
    },
  ],
  exports: [CLUSTER_RUNTIME, CLUSTER_ADMIN],
})
export class ElectionModule implements OnModuleInit, OnApplicationShutdown {
  constructor(
    @Inject(LoadMeter) private readonly load: LoadMeter,
    @Inject(LINKS) private readonly links: Links,
    @Inject(CLUSTER_RUNTIME) private readonly runtime: ClusterRuntime,
  ) {}

  onModuleInit(): void {
    this.links.onRequest('supernode.drain', () => {
      void this.runtime.drain();
      return {};
    });
  }

  onApplicationShutdown(): void {
    this.load.stop();
  }
}

async function relayedBytes(nat: NatService): Promise<number | undefined> {
  const stats = await nat.stats();
  if (stats === undefined) return undefined;
  return stats.turn.toPeers.bytes + stats.turn.toClients.bytes + stats.flow.forwarded.bytes;
}
