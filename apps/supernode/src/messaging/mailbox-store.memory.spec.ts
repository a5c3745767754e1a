import { DEFAULT_TENANT } from '@parley/protocol';
import { callerNamed } from '../identity/testing/callers.ts';
import { describeMailboxStore, MAILBOX_OWNERS } from './testing/mailbox-store.contract.ts';
import { MemoryMailboxStore } from './testing/memory-mailbox-store.ts';

describeMailboxStore('memory', () => {
  const store = new MemoryMailboxStore();
  for (const [user, device] of MAILBOX_OWNERS) store.open(callerNamed(user, device));
  return Promise.resolve({ store, tenant: DEFAULT_TENANT });
});
