import { Controller, Get, Header, HttpStatus, Inject, Res } from '@nestjs/common';
import { HealthRegistry, type HealthReport } from './health-registry.ts';

/** The part of an HTTP response that is used here. */
interface StatusSetter {
  status(code: number): unknown;
}

/** For orchestrators and load balancers, on the edge listener; says nothing about clients. */
@Controller('health')
export class HealthController {
  constructor(@Inject(HealthRegistry) private readonly health: HealthRegistry) {}

  /** The process runs and its event loop turns. */
  @Get('live')
  @Header('Cache-Control', 'no-store')
  live(): { status: 'live' } {
    return { status: 'live' };
  }

  /** The supernode can serve, if degraded: 200, else 503. */
  @Get('ready')
  @Header('Cache-Control', 'no-store')
  async ready(@Res({ passthrough: true }) response: StatusSetter): Promise<HealthReport> {
    const report = await this.health.report();
    const serves = report.status === 'ready' || report.status === 'degraded';
    if (!serves) response.status(HttpStatus.SERVICE_UNAVAILABLE);
    return report;
  }
}
