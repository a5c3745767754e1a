import { Module, type DynamicModule } from '@nestjs/common';
import { ClusterModule, type ClusterMembership } from './cluster/cluster.module.ts';
import { ElectionModule } from './cluster/election.module.ts';
import { ConfigModule } from './config/config.module.ts';
import type { Config } from './config/config.schema.ts';
import { GatewayModule } from './gateway/gateway.module.ts';
import { NatModule } from './nat/nat.module.ts';
import { ObservabilityModule, type Observability } from './observability/observability.module.ts';
import { DatabaseModule } from './persistence/database.module.ts';
import type { Database } from './persistence/database.ts';
import { PresenceModule } from './presence/presence.module.ts';
import { RedisModule } from './redis/redis.module.ts';
import { RolePorts } from './role-ports.ts';

/** What exists before the modules do. */
export interface Runtime {
  readonly config: Config;
  readonly database: Database;
  readonly observability: Observability;
  readonly nodeId: string;
  /** Undefined where this supernode runs alone. */
  readonly membership: ClusterMembership | undefined;
}

/** The concerns of the supernode (DESIGN section 4) that serve edge clients. The admin API is an application beside it. */
@Module({})
export class AppModule {
  static forRoot({ config, database, observability, nodeId, membership }: Runtime): DynamicModule {
    return {
      module: AppModule,
      imports: [
        ConfigModule.forRoot(config),
        ObservabilityModule.forRoot(observability),
        DatabaseModule.forRoot(database),
        RedisModule.forRoot(membership?.shared),
        ClusterModule.forRoot(config, nodeId, membership),
        PresenceModule,
        NatModule,
        GatewayModule,
        ...(membership === undefined ? [] : [ElectionModule]),
      ],
      providers: [RolePorts],
    };
  }
}
