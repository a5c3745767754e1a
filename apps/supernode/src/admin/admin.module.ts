import { Module, type DynamicModule } from '@nestjs/common';
import { APP_FILTER, APP_GUARD } from '@nestjs/core';
import { CLOCK, type Clock } from '../clock/clock.port.ts';
import { CLUSTER_ADMIN, type ClusterAdmin } from '../cluster/cluster-admin.ts';
import { LOGGER, type Logger } from '../observability/logger.ts';
import { Metrics } from '../observability/metrics.ts';
import { PRESENCE_READER, type PresenceReader } from '../presence/presence-reader.port.ts';
import { ADMIN_KEY_REPOSITORY, type AdminKeyRepository } from './admin-key.repository.ts';
import { AdminKeyGuard } from './admin-key.guard.ts';
import { AdminKeysController } from './admin-keys.controller.ts';
import { AdminKeysService } from './admin-keys.service.ts';
import { ElectionController } from './election.controller.ts';
import { MetricsController } from './metrics.controller.ts';
import { OPENAPI_HOLDER, OpenApiController } from './openapi.controller.ts';
import { PresenceController } from './presence.controller.ts';
import { SupernodesController } from './supernodes.controller.ts';
import { ProblemFilter } from './problem.filter.ts';

/** All that the admin API knows of the rest of the supernode. */
export interface AdminPorts {
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly adminKeys: AdminKeyRepository;
  /** Absent where this supernode does no index work. */
  readonly presence: PresenceReader | undefined;
  /** Absent where this supernode runs alone. */
  readonly cluster: ClusterAdmin | undefined;
}

/** The admin API: an application of its own on its own listener, so that no mistake in routing can expose it to clients. */
@Module({})
export class AdminModule {
  static forRoot(ports: AdminPorts): DynamicModule {
    return {
      module: AdminModule,
      controllers: [
        PresenceController,
        SupernodesController,
        ElectionController,
        AdminKeysController,
        MetricsController,
        OpenApiController,
      ],
      providers: [
        AdminKeysService,
        { provide: APP_GUARD, useClass: AdminKeyGuard },
        { provide: APP_FILTER, useClass: ProblemFilter },
        { provide: LOGGER, useValue: ports.logger },
        { provide: Metrics, useValue: ports.metrics },
        { provide: CLOCK, useValue: ports.clock },
        { provide: ADMIN_KEY_REPOSITORY, useValue: ports.adminKeys },
        { provide: PRESENCE_READER, useValue: ports.presence },
        { provide: CLUSTER_ADMIN, useValue: ports.cluster },
        { provide: OPENAPI_HOLDER, useValue: { describe: undefined } },
      ],
    };
  }
}
