import type { TenantId } from '@parley/protocol';
import type { AdminScope } from './scope.ts';

/** Who acts: an admin key, and through it one tenant. */
export interface AdminPrincipal {
  readonly tenant: TenantId;
  readonly keyId: string;
  readonly scopes: readonly AdminScope[];
}
