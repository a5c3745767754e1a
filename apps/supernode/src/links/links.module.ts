import { Inject, Module, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { BackgroundTasks } from '../background-tasks.ts';
import { ClockModule } from '../clock/clock.module.ts';
import { CLOCK, type Clock } from '../clock/clock.port.ts';
import { SCHEDULER, type Scheduler } from '../clock/scheduler.port.ts';
import { CLUSTER_MEMBER, NODE_ID, type ClusterMember } from '../cluster/node-identity.ts';
import type { NodeId } from '../cluster/node-record.ts';
import { OWNERSHIP, type Ownership } from '../cluster/ownership.port.ts';
import { Metrics } from '../observability/metrics.ts';
import { closeWithSeats } from './close-with-seats.ts';
import { HomeLinks } from './home-links.ts';
import { SHARED_STATE, type SharedState } from '../redis/redis.module.ts';
import { LinkMetrics } from './link-metrics.ts';
import type { LinkTransport } from './link-transport.port.ts';
import { RedisLinkTransport } from './link-transport.redis.ts';
import { ClusterLinks } from './links.service.ts';
import { LINKS, type Links } from './links.port.ts';
import { SoleLinks } from './sole-links.ts';

/** How this supernode takes part in the links of a cluster; null for one that is alone. */
export interface LinkPeering {
  readonly transport: LinkTransport;
  /** Grows with each start under this node id. */
  readonly incarnation: number;
}

export const LINK_PEERING = Symbol('LinkPeering');

/** Node-to-node messages, to one supernode each and never to all (DESIGN 4 and 5). */
@Module({
  imports: [ClockModule],
  providers: [
    BackgroundTasks,
    HomeLinks,
    {
      provide: LINK_PEERING,
      inject: [CLUSTER_MEMBER, SHARED_STATE],
      useFactory: (member: ClusterMember | null, shared: SharedState | null): LinkPeering | null => {
        if (member === null || shared === null) return null;
        const transport = new RedisLinkTransport(shared.connection, shared.keys);
        return { transport, incarnation: member.incarnation };
      },
    },
    { provide: LinkMetrics, useFactory: (metrics: Metrics) => new LinkMetrics(metrics), inject: [Metrics] },
    {
      provide: LINKS,
      inject: [NODE_ID, LINK_PEERING, CLOCK, SCHEDULER, BackgroundTasks, LinkMetrics],
      useFactory: (
        nodeId: NodeId,
        peering: LinkPeering | null,
        clock: Clock,
        scheduler: Scheduler,
        background: BackgroundTasks,
        metrics: LinkMetrics,
      ): Links => {
        if (peering === null) return new SoleLinks(nodeId, background);
        const { transport, incarnation } = peering;
        return new ClusterLinks(
          { nodeId, incarnation },
          { transport, clock, scheduler, background, metrics },
        );
      },
    },
  ],
  exports: [HomeLinks, LINKS],
})
export class LinksModule implements OnModuleInit, OnApplicationShutdown {
  private endListening: () => void = () => undefined;

  constructor(
    @Inject(LINKS) private readonly links: Links,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(OWNERSHIP) private readonly ownership: Pick<Ownership, 'activeNodes' | 'onChange'>,
  ) {}

  async onModuleInit(): Promise<void> {
    this.links.onRequest('ping', () => ({ at: this.clock.now() }));
    this.endListening = closeWithSeats(this.links, this.ownership);
    if (this.links instanceof ClusterLinks) await this.links.open();
  }

  /** After the gateway: until then its devices are told what others have to say. */
  async onApplicationShutdown(): Promise<void> {
    this.endListening();
    if (this.links instanceof ClusterLinks) await this.links.shutDown();
  }
}
