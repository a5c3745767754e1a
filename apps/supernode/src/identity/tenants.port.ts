import type { TenantId } from '@parley/protocol';

/** A tenant as identity needs it. */
export interface Tenant {
  readonly id: TenantId;
  /** Secret of the app's own backend for access tokens (HS256, HS384, HS512). */
  readonly apiSecret: string | null;
  readonly jwksUrl: string | null;
  readonly tokenIssuer: string | null;
  readonly tokenAudience: string | null;
  readonly openRegistration: boolean;
}

export interface TenantStore {
  find(id: TenantId): Promise<Tenant | undefined>;
}

export const TENANT_STORE = Symbol('TenantStore');
