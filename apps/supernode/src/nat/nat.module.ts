import { Module } from '@nestjs/common';
import { BackgroundTasks } from '../background-tasks.ts';
import { ClockModule } from '../clock/clock.module.ts';
import { CLOCK, type Clock } from '../clock/clock.port.ts';
import { SCHEDULER, type Scheduler } from '../clock/scheduler.port.ts';
import { CLUSTER_CONFIG, EDGE_CONFIG, IDENTITY_CONFIG, NAT_CONFIG } from '../config/config.module.ts';
import type { ClusterConfig, EdgeConfig, IdentityConfig, NatConfig } from '../config/config.schema.ts';
import { RELAY_ACCESS } from '../gateway/relay-access.port.ts';
import { LOGGER, type Logger } from '../observability/logger.ts';
import { PrismaTurnSecrets } from '../persistence/turn-secrets.prisma.ts';
import { PEER_FLOWS } from '../rendezvous/peer-flows.port.ts';
import { FlowRegistry } from './flow-registry.ts';
import { NatService, RELAY_SUPERVISOR } from './nat.service.ts';
import { RelayMetrics } from './relay-metrics.ts';
import { relaySettings, type RelaySettings } from './relay-settings.ts';
import { RelaySupervisor, type RelaySupervisorParts } from './relay-supervisor.ts';
import { RELAY_THREAD_FACTORY, type RelayThreadFactory } from './relay-thread.port.ts';
import { startRelayThread } from './start-relay-thread.ts';
import { STUN_LISTENERS } from './stun-listeners.port.ts';
import { TurnCredentials } from './turn-credentials.ts';
import { TURN_SECRETS } from './turn-secrets.port.ts';

/** Null where this supernode does not relay. */
const RELAY_SETTINGS = Symbol('RelaySettings');

/** STUN and TURN: lifecycle of the relay thread, credentials, metrics (DESIGN 4 and 7). */
@Module({
  imports: [ClockModule],
  providers: [
    BackgroundTasks,
    TurnCredentials,
    NatService,
    RelayMetrics,
    { provide: TURN_SECRETS, useClass: PrismaTurnSecrets },
    { provide: RELAY_THREAD_FACTORY, useValue: startRelayThread },
    {
      provide: FlowRegistry,
      inject: [NAT_CONFIG, IDENTITY_CONFIG, SCHEDULER, CLOCK],
      useFactory: (
        { maxAllocations, maxRelaysPerDevice }: NatConfig,
        { turnCredentialSeconds }: IdentityConfig,
        scheduler: Scheduler,
        clock: Clock,
      ) => {
        const orphanMs = turnCredentialSeconds * 1000;
        return new FlowRegistry(
          { relays: maxAllocations, relaysPerDevice: maxRelaysPerDevice, orphanMs },
          scheduler,
          clock,
        );
      },
    },
    {
      provide: RELAY_SETTINGS,
      inject: [EDGE_CONFIG, NAT_CONFIG, CLUSTER_CONFIG],
      useFactory: ({ hosts, publicAddress }: EdgeConfig, nat: NatConfig, { roles }: ClusterConfig) =>
        roles.includes('relay') ? relaySettings({ hosts, publicAddress, nat }) : null,
    },
    {
      provide: RELAY_SUPERVISOR,
      inject: [RELAY_SETTINGS, RELAY_THREAD_FACTORY, TurnCredentials, FlowRegistry, CLOCK, SCHEDULER, LOGGER],
      useFactory: (
        settings: RelaySettings | null,
        start: RelayThreadFactory,
        credentials: TurnCredentials,
        flows: FlowRegistry,
        clock: Clock,
        scheduler: Scheduler,
        logger: Logger,
      ) => {
        if (settings === null) return null;
        const parts: RelaySupervisorParts = {
          start,
          clock,
          scheduler,
          logger,
          replay: () => credentials.replay(),
          replayFlows: () => flows.replay(),
          onFlowEvent: (event) => flows.happened(event),
        };
        const supervisor = new RelaySupervisor(settings, parts);
        flows.connect((input) => supervisor.controlFlows(input));
        return supervisor;
      },
    },
    { provide: STUN_LISTENERS, useExisting: NatService },
    { provide: RELAY_ACCESS, useExisting: NatService },
    { provide: PEER_FLOWS, useExisting: FlowRegistry },
  ],
  exports: [NatService, FlowRegistry, STUN_LISTENERS, RELAY_ACCESS, PEER_FLOWS],
})
export class NatModule {}
