import { Module, type DynamicModule } from '@nestjs/common';
import type { Config } from './config.schema.ts';

/** Injection tokens, one for each section: `@Inject(EDGE_CONFIG) private readonly config: EdgeConfig`. */
export const EDGE_CONFIG = Symbol('EdgeConfig');
export const NAT_CONFIG = Symbol('NatConfig');
export const ADMIN_CONFIG = Symbol('AdminConfig');
export const IDENTITY_CONFIG = Symbol('IdentityConfig');
export const PRESENCE_CONFIG = Symbol('PresenceConfig');
export const CALLS_CONFIG = Symbol('CallsConfig');
export const STORAGE_CONFIG = Symbol('StorageConfig');
export const CLUSTER_CONFIG = Symbol('ClusterConfig');

/** Sections of the settings for every module; nobody injects the whole. */
@Module({})
export class ConfigModule {
  static forRoot(config: Config): DynamicModule {
    const providers = [
      { provide: EDGE_CONFIG, useValue: config.edge },
      { provide: NAT_CONFIG, useValue: config.nat },
      { provide: ADMIN_CONFIG, useValue: config.admin },
      { provide: IDENTITY_CONFIG, useValue: config.identity },
      { provide: PRESENCE_CONFIG, useValue: config.presence },
      { provide: CALLS_CONFIG, useValue: config.calls },
      { provide: STORAGE_CONFIG, useValue: config.storage },
      { provide: CLUSTER_CONFIG, useValue: config.cluster },
    ];
    return { module: ConfigModule, global: true, providers, exports: providers };
  }
}
