import { DEFAULT_TENANT, tenantIdSchema } from '@parley/protocol';
import { MemoryAdminKeyRepository } from './admin-key.memory.ts';
import { adminKeyRepositoryContract } from './testing/admin-key.contract.ts';

adminKeyRepositoryContract(() => {
  const keys = new MemoryAdminKeyRepository();
  return Promise.resolve({
    keys,
    tenant: DEFAULT_TENANT,
    otherTenant: tenantIdSchema.parse('other'),
    auditedActions: () => Promise.resolve(keys.audit.map(({ action }) => action)),
  });
});
