import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { AdminKeysService } from './admin-keys.service.ts';
import type { AdminRequest } from './http-exchange.ts';
import { AdminProblem } from './problem.ts';
import { PUBLIC_ROUTE, REQUIRED_SCOPE, type AdminScope } from './scope.ts';

/** Lets a request through when its key is in force and has the scope that the route declares. */
@Injectable()
export class AdminKeyGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly keys: AdminKeysService,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const handler = context.getHandler();
    if (this.reflector.get<boolean | undefined>(PUBLIC_ROUTE, handler) === true) return true;
    const request = context.switchToHttp().getRequest<AdminRequest>();
    const key = bearerOf(request);
    const principal = key === undefined ? undefined : await this.keys.authenticate(key);
    if (principal === undefined) throw new AdminProblem('ADMIN_UNAUTHENTICATED');
    const scope = this.reflector.get<AdminScope | undefined>(REQUIRED_SCOPE, handler);
    if (scope === undefined || !principal.scopes.includes(scope)) {
      throw new AdminProblem('ADMIN_SCOPE_MISSING', scope === undefined ? undefined : `Needed: ${scope}`);
    }
    request.principal = principal;
    return true;
  }
}

function bearerOf(request: AdminRequest): string | undefined {
  const header = request.headers['authorization'];
  return typeof header === 'string' ? /^Bearer +([\x21-\x7e]+)$/i.exec(header)?.[1] : undefined;
}
