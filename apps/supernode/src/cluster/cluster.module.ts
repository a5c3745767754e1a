import { Module, type DynamicModule, type Provider } from '@nestjs/common';
import { instant } from '@parley/nat';
import { BackgroundTasks } from '../background-tasks.ts';
import type { Clock } from '../clock/clock.port.ts';
import { systemClock } from '../clock/system-clock.ts';
import type { Config } from '../config/config.schema.ts';
import { Metrics } from '../observability/metrics.ts';
import { nextPresenceEpoch } from '../persistence/presence-epoch.prisma.ts';
import { PrismaService } from '../persistence/prisma.service.ts';
import { PrismaRosterStore } from '../persistence/roster-store.prisma.ts';
import { PRESENCE_EPOCH } from '../presence/presence-epoch.port.ts';
import type { SharedState } from '../redis/redis.module.ts';
import { ClusterIdentityController } from './cluster-identity.controller.ts';
import { ClusterOwnership } from './cluster-ownership.ts';
import { CLUSTER_CLOCK, CLUSTER_CORE } from './cluster-tokens.ts';
import { ClusterCore } from './core/cluster-core.ts';
import { electionSettings } from './election-settings.ts';
import { COORDINATOR_LEASE, MEMBERSHIP_STORE } from './membership.port.ts';
import { RedisCoordinatorLease, RedisMembershipStore } from './membership.redis.ts';
import { CLUSTER_MEMBER, NODE_ID, ownVersion, type ClusterMember } from './node-identity.ts';
import { OwnAddresses } from './own-addresses.ts';
import { OWNERSHIP } from './ownership.port.ts';
import { ROSTER_CHANNEL } from './roster-channel.port.ts';
import { RedisRosterChannel } from './roster-channel.redis.ts';
import { ROSTER_STORE } from './roster-store.port.ts';
import { SoleOwnership } from './sole-ownership.ts';
import { SuspensionAwareClock } from './suspension-aware-clock.ts';

/** What the composition root knows of a cluster before the modules exist. */
export interface ClusterMembership {
  readonly member: ClusterMember;
  readonly shared: SharedState;
}

/** Who this supernode is among the others and whose home it is: for every module. The mode is chosen here, once. */
@Module({})
export class ClusterModule {
  /** @param membership - undefined where one supernode runs alone */
  static forRoot(config: Config, nodeId: string, membership: ClusterMembership | undefined): DynamicModule {
    const providers: Provider[] = [
      BackgroundTasks,
      OwnAddresses,
      { provide: NODE_ID, useValue: nodeId },
      { provide: CLUSTER_MEMBER, useValue: membership?.member ?? null },
      ...(membership === undefined ? soleProviders() : clusterProviders(config, membership)),
    ];
    return {
      module: ClusterModule,
      global: true,
      controllers: membership === undefined ? [] : [ClusterIdentityController],
      providers,
      exports: providers.filter((provider) => provider !== BackgroundTasks),
    };
  }
}

function soleProviders(): Provider[] {
  return [
    { provide: CLUSTER_CORE, useValue: null },
    { provide: PRESENCE_EPOCH, useFactory: nextPresenceEpoch, inject: [PrismaService] },
    {
      provide: OWNERSHIP,
      useFactory: (self: string, epoch: number, addresses: OwnAddresses) =>
        new SoleOwnership(self, epoch, addresses),
      inject: [NODE_ID, PRESENCE_EPOCH, OwnAddresses],
    },
  ];
}

function clusterProviders(config: Config, { member, shared }: ClusterMembership): Provider[] {
  const { connection, keys } = shared;
  const clock: Clock = new SuspensionAwareClock(systemClock);
  return [
    { provide: CLUSTER_CLOCK, useValue: clock },
    { provide: CLUSTER_CORE, useValue: newCore(config, member, clock) },
    { provide: ROSTER_STORE, useClass: PrismaRosterStore },
    { provide: MEMBERSHIP_STORE, useValue: new RedisMembershipStore(connection, keys) },
    { provide: COORDINATOR_LEASE, useValue: new RedisCoordinatorLease(connection, keys) },
    {
      provide: ROSTER_CHANNEL,
      useFactory: (metrics: Metrics) => new RedisRosterChannel(connection, keys.rosterChannel, metrics),
      inject: [Metrics],
    },
    {
      provide: OWNERSHIP,
      useFactory: (core: ClusterCore, tasks: BackgroundTasks) =>
        new ClusterOwnership(member.nodeId, core, clock, tasks),
      inject: [CLUSTER_CORE, BackgroundTasks],
    },
  ];
}

function newCore({ cluster, edge }: Config, member: ClusterMember, clock: Clock): ClusterCore {
  const { nodeId, incarnation } = member;
  const self = {
    nodeId,
    incarnation,
    region: cluster.region,
    version: ownVersion(),
    roles: cluster.roles,
    capacity: {
      connections: edge.maxConnections,
      relayBytesPerSecond: cluster.relayCapacity,
      eventLoopDelayMs: cluster.eventLoopDelayMs,
    },
    // Known when the listeners are bound; nothing is published before.
    addresses: { edge: '', stun: null },
  };
  const settings = electionSettings(cluster);
  return new ClusterCore({ self, settings, nextFraction: Math.random }, instant(clock.monotonic()));
}
