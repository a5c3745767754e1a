import { Module } from '@nestjs/common';
import { MemoryPresenceStore } from './presence-store.memory.ts';
import { PRESENCE_STORE, WATCH_STORE } from './presence-store.port.ts';
import { MemoryWatchStore } from './watch-store.memory.ts';

/** What is stored of presence, below all that knows or uses it: who reaches a device elsewhere must know which are there. */
@Module({
  providers: [
    { provide: PRESENCE_STORE, useClass: MemoryPresenceStore },
    { provide: WATCH_STORE, useClass: MemoryWatchStore },
  ],
  exports: [PRESENCE_STORE, WATCH_STORE],
})
export class PresenceStoresModule {}
