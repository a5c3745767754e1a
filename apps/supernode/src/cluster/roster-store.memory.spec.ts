import { MemoryRosterStore } from './roster-store.memory.ts';
import { rosterStoreContract } from './testing/roster-store.contract.ts';

rosterStoreContract(() => {
  const store = new MemoryRosterStore();
  return Promise.resolve({
    store,
    auditedActions: () => Promise.resolve(store.audited.map(({ action }) => action)),
  });
});
