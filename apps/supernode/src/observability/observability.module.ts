import { Module, type DynamicModule } from '@nestjs/common';
import { HealthController } from './health.controller.ts';
import { HealthRegistry } from './health-registry.ts';
import { LOGGER, type Logger } from './logger.ts';
import { Metrics } from './metrics.ts';

/** What every module may report to. */
export interface Observability {
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly health: HealthRegistry;
}

/** Logs, metrics and health for every module: `@Inject(LOGGER)`, `Metrics`, `HealthRegistry`. */
@Module({})
export class ObservabilityModule {
  static forRoot({ logger, metrics, health }: Observability): DynamicModule {
    const providers = [
      { provide: LOGGER, useValue: logger },
      { provide: Metrics, useValue: metrics },
      { provide: HealthRegistry, useValue: health },
    ];
    return {
      module: ObservabilityModule,
      global: true,
      controllers: [HealthController],
      providers,
      exports: providers,
    };
  }
}
