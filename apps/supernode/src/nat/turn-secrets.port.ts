/** The TURN secret of a tenant. */
export interface TenantTurnSecret {
  readonly tenantId: string;
  readonly secret: string;
}

/** Where the TURN secrets of tenants are kept. */
export interface TurnSecrets {
  all(): Promise<readonly TenantTurnSecret[]>;
  find(tenantId: string): Promise<string | undefined>;
}

export const TURN_SECRETS = Symbol('TurnSecrets');
