import { MemoryPresenceStore } from './presence-store.memory.ts';
import { presenceStoreContract } from './testing/presence-store.contract.ts';
import { watchStoreContract } from './testing/watch-store.contract.ts';
import { MemoryWatchStore } from './watch-store.memory.ts';

describe('MemoryPresenceStore', () =>
  presenceStoreContract((ownership) => new MemoryPresenceStore(ownership)));
describe('MemoryWatchStore', () => watchStoreContract(() => new MemoryWatchStore()));
