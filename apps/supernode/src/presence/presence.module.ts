import { Module } from '@nestjs/common';
import { BackgroundTasks } from '../background-tasks.ts';
import { ClockModule } from '../clock/clock.module.ts';
import { PRESENCE_CONFIG } from '../config/config.module.ts';
import type { PresenceConfig } from '../config/config.schema.ts';
import { ContactsModule } from '../contacts/contacts.module.ts';
import { LinksModule } from '../links/links.module.ts';
import { ChannelsModule } from '../gateway/channels.module.ts';
import { PrismaPresenceProfiles } from '../persistence/presence-profiles.prisma.ts';
import { ConnectionPresence, PRESENCE_GRACE_MS } from './connection-presence.service.ts';
import { PRESENCE_PROFILES } from './presence-profile.port.ts';
import { PresenceChanges } from './presence-changes.service.ts';
import { PresenceFanOut } from './presence-fan-out.service.ts';
import { PRESENCE_PACE, type PresencePaceSettings } from './presence-pace.ts';
import { PresenceRenewal } from './presence-renewal.service.ts';
import { PresenceTakeover } from './presence-takeover.service.ts';
import { DevicePresences } from './device-presences.ts';
import { DeviceTimers } from './device-timers.ts';
import { HomeWatches } from './home-watches.service.ts';
import { LimitedStates } from './limited-states.ts';
import { PRESENCE_READER } from './presence-reader.port.ts';
import { StoredPresenceReader } from './presence-reader.service.ts';
import { PresenceHistory } from './presence-history.service.ts';
import { RelationPresence } from './relation-presence.service.ts';
import { StoreLosses } from './store-losses.service.ts';
import { WatchingService } from './watching.service.ts';
import { PresenceStoresModule } from './presence-stores.module.ts';
import { PresenceViews } from './presence-views.service.ts';
import { PresenceService } from './presence.service.ts';

/** A device that signs in, finds its way and is called changes its state about as often. */
const UPDATE_BURST = 10;

/** State per device and per user, who watches whom, last seen, history. */
@Module({
  imports: [ClockModule, ChannelsModule, ContactsModule, LinksModule, PresenceStoresModule],
  providers: [
    BackgroundTasks,
    ConnectionPresence,
    DevicePresences,
    DeviceTimers,
    HomeWatches,
    LimitedStates,
    PresenceChanges,
    PresenceFanOut,
    PresenceHistory,
    PresenceRenewal,
    PresenceService,
    PresenceTakeover,
    PresenceViews,
    RelationPresence,
    StoreLosses,
    WatchingService,
    { provide: PRESENCE_PROFILES, useClass: PrismaPresenceProfiles },
    { provide: PRESENCE_READER, useClass: StoredPresenceReader },
    {
      provide: PRESENCE_GRACE_MS,
      useFactory: (config: PresenceConfig) => config.graceSeconds * 1000,
      inject: [PRESENCE_CONFIG],
    },
    {
      provide: PRESENCE_PACE,
      useFactory: ({ windowMs, updatesPerMinute }: PresenceConfig): PresencePaceSettings => ({
        windowMs,
        burst: UPDATE_BURST,
        perMinute: updatesPerMinute,
      }),
      inject: [PRESENCE_CONFIG],
    },
  ],
  exports: [
    ConnectionPresence,
    DevicePresences,
    PresenceService,
    PresenceViews,
    WatchingService,
    PRESENCE_READER,
    PresenceStoresModule,
  ],
})
export class PresenceModule {}
