import { randomBytes, randomUUID } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import type { TenantId } from '@parley/protocol';
import type { AdminKeyRecord, AdminKeyRepository } from '../admin-key.repository.ts';
import type { AuditRecord } from '../audit.ts';

/** What a store of admin keys is made with, for one test. */
interface Subject {
  readonly keys: AdminKeyRepository;
  readonly tenant: TenantId;
  readonly otherTenant: TenantId;
  auditedActions(): Promise<readonly string[]>;
}

const AT = new Date('2026-03-01T12:00:00.000Z');

/** What every implementation of {@link AdminKeyRepository} does. */
export function adminKeyRepositoryContract(open: () => Promise<Subject>): void {
  const keyOf = (tenant: TenantId, id: string): AdminKeyRecord => ({
    tenant,
    id,
    name: 'dashboard',
    keyHash: new Uint8Array(randomBytes(32)),
    scopes: ['presence:read'],
    createdAt: AT,
    expiresAt: null,
    revokedAt: null,
    lastUsedAt: null,
  });
  const audit = (tenant: TenantId, action: string, target: string): AuditRecord => ({
    tenant,
    actor: 'test',
    action,
    target,
  });

  describe('AdminKeyRepository', () => {
    it('finds a saved key by its hash and by its id, in its tenant only', async () => {
      const { keys, tenant, otherTenant } = await open();
      const key = keyOf(tenant, randomUUID());

      await keys.save(key, audit(tenant, 'create', key.id));

      expect(await keys.findByHash(key.keyHash)).toEqual(key);
      expect(await keys.find(tenant, key.id)).toEqual(key);
      expect(await keys.find(otherTenant, key.id)).toBeUndefined();
      expect(await keys.findByHash(new Uint8Array(32))).toBeUndefined();
    });

    it('replaces a key that is saved again: the old one opens nothing any more', async () => {
      const { keys, tenant } = await open();
      const old = keyOf(tenant, 'one');
      const replacement = keyOf(tenant, 'one');

      await keys.save(old, audit(tenant, 'create', 'one'));
      await keys.save(replacement, audit(tenant, 'create', 'one'));

      expect(await keys.findByHash(old.keyHash)).toBeUndefined();
      expect(await keys.list(tenant, undefined, 10)).toEqual([replacement]);
    });

    it('lists the keys of one tenant in the order of their ids, from any place', async () => {
      const { keys, tenant, otherTenant } = await open();
      for (const id of ['c', 'a', 'b']) await keys.save(keyOf(tenant, id), audit(tenant, 'create', id));
      await keys.save(keyOf(otherTenant, 'd'), audit(otherTenant, 'create', 'd'));

      const ids = async (after: string | undefined, limit: number) =>
        (await keys.list(tenant, after, limit)).map(({ id }) => id);

      expect(await ids(undefined, 10)).toEqual(['a', 'b', 'c']);
      expect(await ids('a', 1)).toEqual(['b']);
      expect(await ids('c', 10)).toEqual([]);
    });

    it('revokes a key once', async () => {
      const { keys, tenant } = await open();
      await keys.save(keyOf(tenant, 'one'), audit(tenant, 'create', 'one'));

      const outcomes = [
        await keys.revoke(tenant, 'one', AT, audit(tenant, 'revoke', 'one')),
        await keys.revoke(tenant, 'one', AT, audit(tenant, 'revoke', 'one')),
        await keys.revoke(tenant, 'none', AT, audit(tenant, 'revoke', 'none')),
      ];

      expect(outcomes).toEqual([true, false, false]);
      expect((await keys.find(tenant, 'one'))?.revokedAt).toEqual(AT);
    });

    it('audits every change, and nothing that did not happen', async () => {
      const { keys, tenant, auditedActions } = await open();
      await keys.save(keyOf(tenant, 'one'), audit(tenant, 'create', 'one'));
      await keys.revoke(tenant, 'one', AT, audit(tenant, 'revoke', 'one'));
      await keys.revoke(tenant, 'one', AT, audit(tenant, 'revoke again', 'one'));

      expect(await auditedActions()).toEqual(['create', 'revoke']);
    });

    it('remembers the last use', async () => {
      const { keys, tenant } = await open();
      await keys.save(keyOf(tenant, 'one'), audit(tenant, 'create', 'one'));

      await keys.touch(tenant, 'one', AT);

      expect((await keys.find(tenant, 'one'))?.lastUsedAt).toEqual(AT);
    });
  });
}
