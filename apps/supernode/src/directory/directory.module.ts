import { Module } from '@nestjs/common';
import { BackgroundTasks } from '../background-tasks.ts';
import { CLOCK, type Clock } from '../clock/clock.port.ts';
import { ClockModule } from '../clock/clock.module.ts';
import { OWNERSHIP, type Ownership } from '../cluster/ownership.port.ts';
import { PrismaDirectoryEntries } from '../persistence/directory-entries.prisma.ts';
import { PresenceModule } from '../presence/presence.module.ts';
import { SHARED_STATE, type SharedState } from '../redis/redis.module.ts';
import { DIRECTORY_ENTRIES } from './directory-entries.port.ts';
import { DirectoryService } from './directory.service.ts';
import { HomeOffers } from './home-offers.service.ts';
import { MemoryResourceIndex } from './resource-index.memory.ts';
import { RESOURCE_INDEX } from './resource-index.port.ts';
import { RedisResourceIndex } from './resource-index.redis.ts';
import { ResourceIndexService } from './resource-index.service.ts';

/** Look-up, search, and who offers what. */
@Module({
  imports: [ClockModule, PresenceModule],
  providers: [
    BackgroundTasks,
    DirectoryService,
    HomeOffers,
    ResourceIndexService,
    { provide: DIRECTORY_ENTRIES, useClass: PrismaDirectoryEntries },
    {
      provide: RESOURCE_INDEX,
      useFactory: (shared: SharedState | null, ownership: Ownership, clock: Clock) =>
        shared
          ? new RedisResourceIndex(shared.connection, shared.keys, ownership)
          : new MemoryResourceIndex(clock),
      inject: [SHARED_STATE, OWNERSHIP, CLOCK],
    },
  ],
  exports: [DirectoryService, ResourceIndexService],
})
export class DirectoryModule {}
