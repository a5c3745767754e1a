import { Module } from '@nestjs/common';
import { OWNERSHIP, type Ownership } from '../cluster/ownership.port.ts';
import { SHARED_STATE, type SharedState } from '../redis/redis.module.ts';
import { MemoryPresenceStore } from './presence-store.memory.ts';
import { PRESENCE_STORE, WATCH_STORE } from './presence-store.port.ts';
import { RedisPresenceStore } from './presence-store.redis.ts';
import { MemoryWatchStore } from './watch-store.memory.ts';
import { RedisWatchStore } from './watch-store.redis.ts';

/** What is stored of presence, below all that knows or uses it: who reaches a device elsewhere must know which are there. */
@Module({
  providers: [
    {
      provide: PRESENCE_STORE,
      useFactory: (shared: SharedState | null, ownership: Ownership) =>
        shared
          ? new RedisPresenceStore(shared.connection, shared.keys, ownership)
          : new MemoryPresenceStore(ownership),
      inject: [SHARED_STATE, OWNERSHIP],
    },
    {
      provide: WATCH_STORE,
      useFactory: (shared: SharedState | null, ownership: Ownership) =>
        shared ? new RedisWatchStore(shared.connection, shared.keys, ownership) : new MemoryWatchStore(),
      inject: [SHARED_STATE, OWNERSHIP],
    },
  ],
  exports: [PRESENCE_STORE, WATCH_STORE],
})
export class PresenceStoresModule {}
