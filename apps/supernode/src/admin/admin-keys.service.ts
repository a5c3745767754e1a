import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { DEFAULT_TENANT } from '@parley/protocol';
import { CLOCK, type Clock } from '../clock/clock.port.ts';
import {
  ADMIN_KEY_REPOSITORY,
  type AdminKeyRecord,
  type AdminKeyRepository,
} from './admin-key.repository.ts';
import type { AdminPrincipal } from './admin-principal.ts';
import { AdminProblem } from './problem.ts';
import { EVERY_SCOPE, effectiveScopes, type AdminScope } from './scope.ts';

/** Id of the key that SUPERNODE_ADMIN_KEY sets. */
export const BOOTSTRAP_KEY_ID = 'bootstrap';
const KEY_PREFIX = 'pak_';
const KEY_BYTES = 32;
/** Last use is written at most this often, so that reads do not become writes. */
const TOUCH_INTERVAL_MS = 60_000;
/** Longer texts are no keys and are not worth a hash. */
const MAX_KEY_LENGTH = 512;

interface NewAdminKey {
  readonly name: string;
  readonly scopes: readonly AdminScope[];
  readonly expiresAt: Date | null;
}

/** Issues, checks and revokes admin keys. A key is shown once; the store has its hash. */
@Injectable()
export class AdminKeysService {
  constructor(
    @Inject(ADMIN_KEY_REPOSITORY) private readonly keys: AdminKeyRepository,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** The principal of a key in force. The look-up is by hash: its time says nothing about the key. */
  async authenticate(key: string): Promise<AdminPrincipal | undefined> {
    if (key.length > MAX_KEY_LENGTH) return undefined;
    const record = await this.keys.findByHash(hashOf(key));
    const now = this.clock.now();
    if (record === undefined || record.revokedAt !== null) return undefined;
    if (record.expiresAt !== null && record.expiresAt.getTime() <= now) return undefined;
    if (now - (record.lastUsedAt?.getTime() ?? 0) > TOUCH_INTERVAL_MS) {
      await this.keys.touch(record.tenant, record.id, new Date(now));
    }
    return { tenant: record.tenant, keyId: record.id, scopes: effectiveScopes(record.scopes) };
  }

  /** A key never gives more than it has. */
  async create(
    by: AdminPrincipal,
    wanted: NewAdminKey,
    traceId: string,
  ): Promise<{ key: string; record: AdminKeyRecord }> {
    const excess = wanted.scopes.filter((scope) => !by.scopes.includes(scope));
    if (excess.length > 0)
      throw new AdminProblem('ADMIN_SCOPE_MISSING', `This key cannot give: ${excess.join(', ')}`);
    const key = KEY_PREFIX + randomBytes(KEY_BYTES).toString('base64url');
    const record = this.newRecord(by.tenant, randomUUID(), wanted.name, key, wanted.scopes, wanted.expiresAt);
    await this.keys.save(record, {
      tenant: by.tenant,
      actor: by.keyId,
      action: 'admin-key.create',
      target: record.id,
      traceId,
      detail: { scopes: record.scopes },
    });
    return { key, record };
  }

  list(by: AdminPrincipal, after: string | undefined, limit: number): Promise<readonly AdminKeyRecord[]> {
    return this.keys.list(by.tenant, after, limit);
  }

  async revoke(by: AdminPrincipal, id: string, traceId: string): Promise<void> {
    if (id === BOOTSTRAP_KEY_ID) {
      throw new AdminProblem(
        'ADMIN_CONFLICT',
        'This key comes from SUPERNODE_ADMIN_KEY and is removed there.',
      );
    }
    const audit = { tenant: by.tenant, actor: by.keyId, action: 'admin-key.revoke', target: id, traceId };
    const isRevoked = await this.keys.revoke(by.tenant, id, new Date(this.clock.now()), audit);
    if (!isRevoked) throw new AdminProblem('ADMIN_NOT_FOUND');
  }

  /**
   * Brings the store to the settings: the bootstrap key is the one that is configured, or none. Where the store is shared, a
   * supernode that has none says nothing about the key of the others.
   */
  async applyBootstrapKey(configured: string | undefined, isStoreShared = false): Promise<void> {
    if (configured === undefined && isStoreShared) return;
    const stored = await this.keys.find(DEFAULT_TENANT, BOOTSTRAP_KEY_ID);
    const isInForce = stored?.revokedAt === null;
    const audit = { tenant: DEFAULT_TENANT, actor: 'settings', target: BOOTSTRAP_KEY_ID };
    if (configured === undefined) {
      const at = new Date(this.clock.now());
      if (isInForce)
        await this.keys.revoke(DEFAULT_TENANT, BOOTSTRAP_KEY_ID, at, {
          ...audit,
          action: 'admin-key.revoke',
        });
      return;
    }
    if (isInForce && hashOf(configured).equals(stored.keyHash)) return;
    const name = 'SUPERNODE_ADMIN_KEY';
    const record = this.newRecord(DEFAULT_TENANT, BOOTSTRAP_KEY_ID, name, configured, [EVERY_SCOPE], null);
    await this.keys.save(record, { ...audit, action: 'admin-key.create' });
  }

  private newRecord(
    tenant: AdminKeyRecord['tenant'],
    id: string,
    name: string,
    key: string,
    scopes: readonly string[],
    expiresAt: Date | null,
  ): AdminKeyRecord {
    const createdAt = new Date(this.clock.now());
    return {
      tenant,
      id,
      name,
      keyHash: hashOf(key),
      scopes,
      createdAt,
      expiresAt,
      revokedAt: null,
      lastUsedAt: null,
    };
  }
}

/** Keys are random (or long secrets of an operator), so a slow hash would only slow the API down. */
function hashOf(key: string): Buffer<ArrayBuffer> {
  return Buffer.from(createHash('sha256').update(key).digest());
}
