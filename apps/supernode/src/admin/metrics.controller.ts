import { Controller, Get, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { Metrics } from '../observability/metrics.ts';
import type { AdminResponse } from './http-exchange.ts';
import { RequireScope } from './scope.ts';

/** What Prometheus reads, with a key as its bearer credential. */
@ApiExcludeController()
@Controller('metrics')
export class MetricsController {
  constructor(private readonly metrics: Metrics) {}

  @Get()
  @RequireScope('metrics:read')
  async read(@Res({ passthrough: true }) response: AdminResponse): Promise<string> {
    const { contentType, body } = await this.metrics.exposition();
    response.setHeader('Content-Type', contentType);
    return body;
  }
}
