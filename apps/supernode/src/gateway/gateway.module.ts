import { Inject, Module, type BeforeApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { BackgroundTasks } from '../background-tasks.ts';
import { CallsModule } from '../calls/calls.module.ts';
import { ClockModule } from '../clock/clock.module.ts';
import { ContactsModule } from '../contacts/contacts.module.ts';
import { DirectoryModule } from '../directory/directory.module.ts';
import { ResourceIndexService } from '../directory/resource-index.service.ts';
import { IdentityModule } from '../identity/identity.module.ts';
import { MessagingModule } from '../messaging/messaging.module.ts';
import { FlowRegistry } from '../nat/flow-registry.ts';
import { NatModule } from '../nat/nat.module.ts';
import { ConnectionPresence } from '../presence/connection-presence.service.ts';
import { PresenceModule } from '../presence/presence.module.ts';
import { CallLegs } from '../rendezvous/call-legs.service.ts';
import { RendezvousModule } from '../rendezvous/rendezvous.module.ts';
import { RendezvousService } from '../rendezvous/rendezvous.service.ts';
import { AccountEvents } from './account-events.ts';
import { AccountGateway } from './account.gateway.ts';
import { CallsGateway } from './calls.gateway.ts';
import { ChannelsModule } from './channels.module.ts';
import { ComingHomes } from './coming-homes.ts';
import { ConnectionAdmission } from './connection-admission.ts';
import { CONNECTION_OBSERVERS, type ConnectionObserver } from './connection-observer.port.ts';
import { ConnectionLifecycle } from './connection-lifecycle.ts';
import { ContactsGateway } from './contacts.gateway.ts';
import { Departures } from './departures.ts';
import { DeviceChannels } from './device-channels.ts';
import { DirectoryGateway } from './directory.gateway.ts';
import { EdgeDrain } from './edge-drain.ts';
import { EdgeSignIn } from './edge-sign-in.service.ts';
import { MessagingGateway } from './messaging.gateway.ts';
import { PresenceGateway } from './presence.gateway.ts';
import { RelayGateway } from './relay.gateway.ts';
import { RendezvousGateway } from './rendezvous.gateway.ts';
import { RequestGate } from './request-gate.ts';
import { RequestHandlers } from './request-handlers.ts';
import { RequestPipeline } from './request-pipeline.ts';
import { SignInGateway } from './sign-in.gateway.ts';
import { SignedHomes } from './signed-homes.ts';
import { SlotMoves } from './slot-moves.ts';
import { FailedSignIns } from './failed-sign-ins.ts';

/** The one socket.io gateway for edge clients: validate, call one service, acknowledge (DESIGN 4, 8). */
@Module({
  imports: [
    ClockModule,
    ChannelsModule,
    IdentityModule,
    ContactsModule,
    PresenceModule,
    DirectoryModule,
    NatModule,
    RendezvousModule,
    CallsModule,
    MessagingModule,
  ],
  providers: [
    AccountEvents,
    AccountGateway,
    BackgroundTasks,
    CallsGateway,
    ComingHomes,
    ConnectionAdmission,
    ConnectionLifecycle,
    ContactsGateway,
    Departures,
    DirectoryGateway,
    EdgeDrain,
    EdgeSignIn,
    MessagingGateway,
    PresenceGateway,
    RelayGateway,
    RendezvousGateway,
    RequestGate,
    RequestHandlers,
    RequestPipeline,
    SignInGateway,
    SignedHomes,
    SlotMoves,
    FailedSignIns,
    {
      provide: CONNECTION_OBSERVERS,
      useFactory: (...observers: ConnectionObserver[]) => observers,
      inject: [ConnectionPresence, RendezvousService, CallLegs, ResourceIndexService, FlowRegistry],
    },
  ],
  exports: [ConnectionAdmission],
})
export class GatewayModule implements OnModuleInit, BeforeApplicationShutdown {
  constructor(
    private readonly draining: EdgeDrain,
    private readonly channels: DeviceChannels,
    @Inject(CONNECTION_OBSERVERS) private readonly observers: readonly ConnectionObserver[],
  ) {}

  onModuleInit(): void {
    for (const observer of this.observers) this.channels.subscribe(observer);
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.draining.run();
  }
}
