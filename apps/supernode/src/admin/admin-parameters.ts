import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { SupernodeError } from '../errors.ts';
import type { AdminPrincipal } from './admin-principal.ts';
import type { AdminRequest } from './http-exchange.ts';

/** The principal that the guard put on the request. */
export const Principal = createParamDecorator((_: undefined, context: ExecutionContext): AdminPrincipal => {
  const { principal } = context.switchToHttp().getRequest<AdminRequest>();
  if (principal === undefined)
    throw new SupernodeError('SN_INVARIANT', 'A route reads the principal but is public.');
  return principal;
});

/** The id under which the log knows this request. */
export const TraceId = createParamDecorator((_: undefined, context: ExecutionContext): string => {
  return context.switchToHttp().getRequest<AdminRequest>().traceId ?? '';
});
