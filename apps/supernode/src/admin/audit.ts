import type { TenantId } from '@parley/protocol';

/** One administrative change, as the append-only audit log keeps it. Written in the transaction of the change. */
export interface AuditRecord {
  readonly tenant: TenantId;
  /** Id of the admin key that acted, or `settings`. */
  readonly actor: string;
  /** `<resource>.<verb>`, such as `admin-key.create`. */
  readonly action: string;
  readonly target: string;
  readonly traceId?: string;
  /** What changed; never a secret. */
  readonly detail?: Readonly<Record<string, string | number | boolean | readonly string[] | null>>;
}
