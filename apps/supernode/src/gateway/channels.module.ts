import { Module } from '@nestjs/common';
import { BackgroundTasks } from '../background-tasks.ts';
import { ClockModule } from '../clock/clock.module.ts';
import { ClusterNotifier } from '../links/cluster-notifier.ts';
import { LinksModule } from '../links/links.module.ts';
import { PresenceStoresModule } from '../presence/presence-stores.module.ts';
import { SHARED_STATE, type SharedState } from '../redis/redis.module.ts';
import { COMEBACKS } from './comebacks.port.ts';
import { DeviceChannels } from './device-channels.ts';
import { LOCAL_DEVICES } from './local-devices.port.ts';
import { NOTIFIER } from './notifier.port.ts';
import { MemoryResumeStore } from './resume-store.memory.ts';
import { RESUME_STORE } from './resume-store.port.ts';
import { RedisResumeStore } from './resume-store.redis.ts';
import { StormAdmission } from './storm-admission.ts';
import { UserHomes } from './user-homes.ts';

/** The way to devices, for every concern that has something to tell them; it knows none of them. */
@Module({
  imports: [ClockModule, LinksModule, PresenceStoresModule],
  providers: [
    BackgroundTasks,
    DeviceChannels,
    UserHomes,
    {
      provide: RESUME_STORE,
      useFactory: (shared: SharedState | null) =>
        shared ? new RedisResumeStore(shared.connection, shared.keys) : new MemoryResumeStore(),
      inject: [SHARED_STATE],
    },
    StormAdmission,
    { provide: COMEBACKS, useExisting: StormAdmission },
    ClusterNotifier,
    { provide: LOCAL_DEVICES, useExisting: DeviceChannels },
    { provide: NOTIFIER, useExisting: ClusterNotifier },
  ],
  exports: [DeviceChannels, UserHomes, StormAdmission, COMEBACKS, LOCAL_DEVICES, NOTIFIER],
})
export class ChannelsModule {}
