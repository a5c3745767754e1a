import type { TenantId } from '@parley/protocol';
import type { AdminKeyRecord, AdminKeyRepository } from './admin-key.repository.ts';
import type { AuditRecord } from './audit.ts';

/** Admin keys in memory, for tests and for describing the API without a database. */
export class MemoryAdminKeyRepository implements AdminKeyRepository {
  readonly audit: AuditRecord[] = [];
  private readonly keys = new Map<string, AdminKeyRecord>();

  findByHash(keyHash: Uint8Array<ArrayBuffer>): Promise<AdminKeyRecord | undefined> {
    const wanted = Buffer.from(keyHash);
    return Promise.resolve([...this.keys.values()].find((key) => wanted.equals(key.keyHash)));
  }

  find(tenant: TenantId, id: string): Promise<AdminKeyRecord | undefined> {
    return Promise.resolve(this.keys.get(placeOf(tenant, id)));
  }

  list(tenant: TenantId, after: string | undefined, limit: number): Promise<readonly AdminKeyRecord[]> {
    const ofTenant = [...this.keys.values()].filter((key) => key.tenant === tenant && key.id > (after ?? ''));
    return Promise.resolve(ofTenant.sort((a, b) => (a.id < b.id ? -1 : 1)).slice(0, limit));
  }

  save(key: AdminKeyRecord, audit: AuditRecord): Promise<void> {
    this.keys.set(placeOf(key.tenant, key.id), key);
    this.audit.push(audit);
    return Promise.resolve();
  }

  revoke(tenant: TenantId, id: string, at: Date, audit: AuditRecord): Promise<boolean> {
    const key = this.keys.get(placeOf(tenant, id));
    if (key?.revokedAt !== null) return Promise.resolve(false);
    this.keys.set(placeOf(tenant, id), { ...key, revokedAt: at });
    this.audit.push(audit);
    return Promise.resolve(true);
  }

  touch(tenant: TenantId, id: string, at: Date): Promise<void> {
    const key = this.keys.get(placeOf(tenant, id));
    if (key !== undefined) this.keys.set(placeOf(tenant, id), { ...key, lastUsedAt: at });
    return Promise.resolve();
  }
}

function placeOf(tenant: TenantId, id: string): string {
  return `${tenant} ${id}`;
}
