import { Catch, HttpException, Inject, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { Counter } from 'prom-client';
import { LOGGER, type Logger } from '../observability/logger.ts';
import { Metrics } from '../observability/metrics.ts';
import type { AdminRequest, AdminResponse } from './http-exchange.ts';
import { ADMIN_PROBLEMS, AdminProblem, problemDocument } from './problem.ts';

/** Prisma's codes for a database that is away (its documentation, P1xxx), and a pool without a free connection. */
const STORE_AWAY = /^(P1\d{3}|P2024|ECONNREFUSED|ENOENT|ECONNRESET|SN_DB_UNREACHABLE|SN_REDIS_UNREACHABLE)$/;

/** Every error of the admin API as `application/problem+json`. What is not expected is logged and told as internal. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  private readonly problems: Counter<'code'>;

  constructor(
    @Inject(LOGGER) private readonly logger: Logger,
    metrics: Metrics,
  ) {
    this.problems = metrics.counter(
      'admin_problems_total',
      'Requests that the admin API answered with a problem',
      ['code'],
    );
  }

  catch(thrown: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<AdminRequest>();
    const response = host.switchToHttp().getResponse<AdminResponse>();
    const traceId = request.traceId ?? '';
    const problem = problemOf(thrown);
    this.problems.inc({ code: problem.code });
    if (problem.code === 'ADMIN_INTERNAL')
      this.logger.error({ err: thrown, traceId }, 'admin request failed');
    if (response.headersSent) return;
    response.status(ADMIN_PROBLEMS[problem.code].status);
    response.setHeader('Content-Type', 'application/problem+json');
    if (problem.code === 'ADMIN_UNAUTHENTICATED')
      response.setHeader('WWW-Authenticate', 'Bearer realm="parley-admin"');
    if (problem.code === 'ADMIN_STORE_UNAVAILABLE') response.setHeader('Retry-After', '5');
    response.end(JSON.stringify(problemDocument(problem, traceId)));
  }
}

function problemOf(thrown: unknown): AdminProblem {
  if (thrown instanceof AdminProblem) return thrown;
  // Nest's router and the body parser of Express speak in HTTP statuses; their texts may repeat the request.
  const status = thrown instanceof HttpException ? thrown.getStatus() : statusOf(thrown);
  if (status === 404) return new AdminProblem('ADMIN_NOT_FOUND');
  if (status !== undefined && status >= 400 && status < 500) return new AdminProblem('ADMIN_INVALID_BODY');
  if (STORE_AWAY.test(codeOf(thrown)))
    return new AdminProblem('ADMIN_STORE_UNAVAILABLE', undefined, undefined, { cause: thrown });
  return new AdminProblem('ADMIN_INTERNAL', undefined, undefined, { cause: thrown });
}

function statusOf(thrown: unknown): number | undefined {
  if (typeof thrown !== 'object' || thrown === null || !('status' in thrown)) return undefined;
  return typeof thrown.status === 'number' ? thrown.status : undefined;
}

function codeOf(thrown: unknown): string {
  if (typeof thrown !== 'object' || thrown === null || !('code' in thrown)) return '';
  return String(thrown.code);
}
