import { SetMetadata, type CustomDecorator } from '@nestjs/common';

/** What an admin key may do: `<resource>:read` or `<resource>:write`. */
export const ADMIN_SCOPES = [
  'presence:read',
  'metrics:read',
  'admin-keys:read',
  'admin-keys:write',
  'cluster:read',
  'cluster:write',
] as const;
export type AdminScope = (typeof ADMIN_SCOPES)[number];

/** Stored for the bootstrap key, so that it also has the scopes of later versions. */
export const EVERY_SCOPE = '*';

export const REQUIRED_SCOPE = 'parley:admin-scope';

/** The scope that a route needs. A route without one is refused, so that none is open by mistake. */
export function RequireScope(scope: AdminScope): CustomDecorator {
  return SetMetadata(REQUIRED_SCOPE, scope);
}

/** For the few routes that everybody who reaches the listener may read. */
export const PUBLIC_ROUTE = 'parley:admin-public';
export function PublicRoute(): CustomDecorator {
  return SetMetadata(PUBLIC_ROUTE, true);
}

/** Scopes as stored, made scopes of this version; unknown ones (of a later version) are left out. */
export function effectiveScopes(stored: readonly string[]): readonly AdminScope[] {
  if (stored.includes(EVERY_SCOPE)) return ADMIN_SCOPES;
  return ADMIN_SCOPES.filter((scope) => stored.includes(scope));
}
