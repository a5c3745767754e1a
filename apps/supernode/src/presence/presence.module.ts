import { Module } from '@nestjs/common';
import { BackgroundTasks } from '../background-tasks.ts';
import { ClockModule } from '../clock/clock.module.ts';
import { PRESENCE_CONFIG } from '../config/config.module.ts';
import type { PresenceConfig } from '../config/config.schema.ts';
import { ContactsModule } from '../contacts/contacts.module.ts';
import { ChannelsModule } from '../gateway/channels.module.ts';
import { PrismaPresenceProfiles } from '../persistence/presence-profiles.prisma.ts';
import { ConnectionPresence, PRESENCE_GRACE_MS } from './connection-presence.service.ts';
import { PRESENCE_PROFILES } from './presence-profile.port.ts';
import { PresenceChanges } from './presence-changes.service.ts';
import { DevicePresences } from './device-presences.ts';
import { DeviceTimers } from './device-timers.ts';
import { PRESENCE_READER } from './presence-reader.port.ts';
import { StoredPresenceReader } from './presence-reader.service.ts';
import { PresenceHistory } from './presence-history.service.ts';
import { RelationPresence } from './relation-presence.service.ts';
import { WatchingService } from './watching.service.ts';
import { PresenceStoresModule } from './presence-stores.module.ts';
import { PresenceViews } from './presence-views.service.ts';
import { PresenceService } from './presence.service.ts';

/** State per device and per user, who watches whom, last seen, history. */
@Module({
  imports: [ClockModule, ChannelsModule, ContactsModule, PresenceStoresModule],
  providers: [
    BackgroundTasks,
    ConnectionPresence,
    DevicePresences,
    DeviceTimers,
    PresenceChanges,
    PresenceHistory,
    PresenceService,
    PresenceViews,
    RelationPresence,
    WatchingService,
    { provide: PRESENCE_PROFILES, useClass: PrismaPresenceProfiles },
    { provide: PRESENCE_READER, useClass: StoredPresenceReader },
    {
      provide: PRESENCE_GRACE_MS,
      useFactory: (config: PresenceConfig) => config.graceSeconds * 1000,
      inject: [PRESENCE_CONFIG],
    },
  ],
  exports: [
    ConnectionPresence,
    PresenceService,
    PresenceViews,
    WatchingService,
    PRESENCE_READER,
    PresenceStoresModule,
  ],
})
export class PresenceModule {}
