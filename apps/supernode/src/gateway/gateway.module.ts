import { Inject, Module, type BeforeApplicationShutdown } from '@nestjs/common';
import { BackgroundTasks } from '../background-tasks.ts';
import { ClockModule } from '../clock/clock.module.ts';
import { EDGE_CONFIG } from '../config/config.module.ts';
import type { EdgeConfig } from '../config/config.schema.ts';
import { IdentityModule } from '../identity/identity.module.ts';
import { AccountEvents } from './account-events.ts';
import { AccountGateway } from './account.gateway.ts';
import { ChannelsModule } from './channels.module.ts';
import { ConnectionAdmission } from './connection-admission.ts';
import { ConnectionLifecycle } from './connection-lifecycle.ts';
import { EdgeSignIn } from './edge-sign-in.service.ts';
import { NO_RELAY } from './no-relay.ts';
import { RELAY_ACCESS } from './relay-access.port.ts';
import { RelayGateway } from './relay.gateway.ts';
import { RequestGate } from './request-gate.ts';
import { RequestPipeline } from './request-pipeline.ts';
import { SignInGateway } from './sign-in.gateway.ts';

/** The one socket.io gateway for edge clients: validate, call one service, acknowledge (DESIGN 4, 8). */
@Module({
  imports: [ClockModule, ChannelsModule, IdentityModule],
  providers: [
    AccountEvents,
    AccountGateway,
    BackgroundTasks,
    ConnectionAdmission,
    ConnectionLifecycle,
    EdgeSignIn,
    RelayGateway,
    RequestGate,
    RequestPipeline,
    SignInGateway,
    { provide: RELAY_ACCESS, useValue: NO_RELAY },
  ],
  exports: [ConnectionAdmission],
})
export class GatewayModule implements BeforeApplicationShutdown {
  constructor(
    private readonly lifecycle: ConnectionLifecycle,
    @Inject(EDGE_CONFIG) private readonly config: Pick<EdgeConfig, 'drainSeconds'>,
  ) {}

  beforeApplicationShutdown(): void {
    this.lifecycle.drain(this.config.drainSeconds * 1000);
  }
}
