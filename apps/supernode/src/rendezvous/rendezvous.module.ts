import { Module } from '@nestjs/common';
import { BackgroundTasks } from '../background-tasks.ts';
import { CallsModule } from '../calls/calls.module.ts';
import { ClockModule } from '../clock/clock.module.ts';
import { CLOCK, type Clock } from '../clock/clock.port.ts';
import { OWNERSHIP, type Ownership } from '../cluster/ownership.port.ts';
import { ContactsModule } from '../contacts/contacts.module.ts';
import { ChannelsModule } from '../gateway/channels.module.ts';
import { IdentityModule } from '../identity/identity.module.ts';
import { LinksModule } from '../links/links.module.ts';
import { NatModule } from '../nat/nat.module.ts';
import { Metrics } from '../observability/metrics.ts';
import { PresenceModule } from '../presence/presence.module.ts';
import { SHARED_STATE, type SharedState } from '../redis/redis.module.ts';
import { BlockedRelays } from './blocked-relays.service.ts';
import { CallLegs } from './call-legs.service.ts';
import { CalleeReach } from './callee-reach.service.ts';
import { EndedRelations } from './ended-relations.service.ts';
import { HomeSessionBook } from './home-session-book.ts';
import { OfferExpiry } from './offer-expiry.service.ts';
import { ReachableDevices } from './reachable-devices.service.ts';
import { RemovedDevices } from './removed-devices.service.ts';
import { RendezvousService } from './rendezvous.service.ts';
import { MemorySessionBook } from './session-book.memory.ts';
import { SESSION_BOOK } from './session-book.port.ts';
import { RedisSessionBook } from './session-book.redis.ts';
import { SessionNews } from './session-news.service.ts';
import { SessionRelays } from './session-relays.service.ts';
import { MetricSessionOutcomes } from './session-outcomes.metrics.ts';
import { SESSION_OUTCOMES } from './session-outcomes.port.ts';

/** Brokering of sessions. */
@Module({
  imports: [
    CallsModule,
    ClockModule,
    ChannelsModule,
    ContactsModule,
    IdentityModule,
    LinksModule,
    NatModule,
    PresenceModule,
  ],
  providers: [
    BackgroundTasks,
    BlockedRelays,
    CallLegs,
    CalleeReach,
    EndedRelations,
    OfferExpiry,
    ReachableDevices,
    RemovedDevices,
    RendezvousService,
    SessionNews,
    SessionRelays,
    {
      provide: SESSION_BOOK,
      useFactory: (shared: SharedState | null, ownership: Ownership, clock: Clock, metrics: Metrics) =>
        shared ? homeBook(shared, ownership, clock, metrics) : new MemorySessionBook(),
      inject: [SHARED_STATE, OWNERSHIP, CLOCK, Metrics],
    },
    { provide: SESSION_OUTCOMES, useClass: MetricSessionOutcomes },
  ],
  exports: [CallLegs, RendezvousService],
})
export class RendezvousModule {}

function homeBook(
  { connection, keys }: SharedState,
  ownership: Ownership,
  clock: Clock,
  metrics: Metrics,
): HomeSessionBook {
  const store = { book: new RedisSessionBook(connection, keys, clock), isUp: () => connection.isUp };
  return new HomeSessionBook(store, ownership, clock, metrics);
}
