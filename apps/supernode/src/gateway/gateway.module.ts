import { Inject, Module, type BeforeApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { BackgroundTasks } from '../background-tasks.ts';
import { CallsModule } from '../calls/calls.module.ts';
import { ClockModule } from '../clock/clock.module.ts';
import { EDGE_CONFIG } from '../config/config.module.ts';
import type { EdgeConfig } from '../config/config.schema.ts';
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
import { ConnectionAdmission } from './connection-admission.ts';
import { CONNECTION_OBSERVERS, type ConnectionObserver } from './connection-observer.port.ts';
import { ConnectionLifecycle } from './connection-lifecycle.ts';
import { ContactsGateway } from './contacts.gateway.ts';
import { DeviceChannels } from './device-channels.ts';
import { DirectoryGateway } from './directory.gateway.ts';
import { EdgeSignIn } from './edge-sign-in.service.ts';
import { MessagingGateway } from './messaging.gateway.ts';
import { PresenceGateway } from './presence.gateway.ts';
import { RelayGateway } from './relay.gateway.ts';
import { RendezvousGateway } from './rendezvous.gateway.ts';
import { RequestGate } from './request-gate.ts';
import { RequestPipeline } from './request-pipeline.ts';
import { SignInGateway } from './sign-in.gateway.ts';

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
    ConnectionAdmission,
    ConnectionLifecycle,
    ContactsGateway,
    DirectoryGateway,
    EdgeSignIn,
    MessagingGateway,
    PresenceGateway,
    RelayGateway,
    RendezvousGateway,
    RequestGate,
    RequestPipeline,
    SignInGateway,
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
    private readonly lifecycle: ConnectionLifecycle,
    private readonly channels: DeviceChannels,
    @Inject(CONNECTION_OBSERVERS) private readonly observers: readonly ConnectionObserver[],
    @Inject(EDGE_CONFIG) private readonly config: Pick<EdgeConfig, 'drainSeconds'>,
  ) {}

  onModuleInit(): void {
    for (const observer of this.observers) this.channels.subscribe(observer);
  }

  beforeApplicationShutdown(): void {
    this.lifecycle.drain(this.config.drainSeconds * 1000);
  }
}
