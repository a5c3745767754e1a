import type { TenantId } from '@parley/protocol';
import type { AuditRecord } from './audit.ts';

/** An admin key as it is kept: by hash only. */
export interface AdminKeyRecord {
  readonly tenant: TenantId;
  readonly id: string;
  readonly name: string;
  /** SHA-256 of the key. */
  readonly keyHash: Uint8Array<ArrayBuffer>;
  readonly scopes: readonly string[];
  readonly createdAt: Date;
  readonly expiresAt: Date | null;
  readonly revokedAt: Date | null;
  readonly lastUsedAt: Date | null;
}

/** Durable admin keys. Every change is stored together with its audit record, or not at all. */
export interface AdminKeyRepository {
  findByHash(keyHash: Uint8Array<ArrayBuffer>): Promise<AdminKeyRecord | undefined>;
  find(tenant: TenantId, id: string): Promise<AdminKeyRecord | undefined>;
  /** Keys of a tenant after an id, in the order of their ids, revoked ones too. */
  list(tenant: TenantId, after: string | undefined, limit: number): Promise<readonly AdminKeyRecord[]>;
  /** Inserts the key, or replaces the one with the same id. */
  save(key: AdminKeyRecord, audit: AuditRecord): Promise<void>;
  /** False when there is no such key that is still in force. */
  revoke(tenant: TenantId, id: string, at: Date, audit: AuditRecord): Promise<boolean>;
  touch(tenant: TenantId, id: string, at: Date): Promise<void>;
}

export const ADMIN_KEY_REPOSITORY = Symbol('AdminKeyRepository');
