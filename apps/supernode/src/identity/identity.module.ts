import { Module } from '@nestjs/common';
import { BackgroundTasks } from '../background-tasks.ts';
import { ClockModule } from '../clock/clock.module.ts';
import { NODE_ID } from '../cluster/node-identity.ts';
import type { NodeId } from '../cluster/node-record.ts';
import { LinksModule } from '../links/links.module.ts';
import { PrismaAccountStore } from '../persistence/accounts.prisma.ts';
import { PrismaKeyringStore } from '../persistence/keyring.prisma.ts';
import { PrismaTenantStore } from '../persistence/tenants.prisma.ts';
import { PrismaTokenBindings } from '../persistence/token-bindings.prisma.ts';
import { SHARED_STATE, type SharedState } from '../redis/redis.module.ts';
import { AccountAccess } from './account-access.ts';
import { DeviceVisits } from './device-visits.ts';
import { AccountChanges } from './account-changes.ts';
import { AccountService } from './account.service.ts';
import { ACCOUNT_STORE, TOKEN_BINDINGS } from './accounts.port.ts';
import { ClusterIdentity } from './cluster-identity.ts';
import { DeviceLists } from './device-lists.ts';
import { DeviceProofs } from './device-proof.ts';
import { HomesSigner } from './homes-signer.ts';
import { KEYRING_STORE } from './keyring.port.ts';
import { LinkingService } from './linking.service.ts';
import { RecoveryService } from './recovery.service.ts';
import { RegistrationPuzzles } from './registration-puzzles.ts';
import { RegistrationService } from './registration.service.ts';
import { RemoteKeySets } from './remote-key-sets.ts';
import { SignInService } from './sign-in.service.ts';
import { TENANT_STORE } from './tenants.port.ts';
import { TokenBinder } from './token-binder.ts';
import { TokenIssuer } from './token-issuer.ts';
import { TokenVerifier } from './token-verifier.ts';
import { WaitingDevices } from './waiting-devices.ts';
import { SoleWaitingPlaces } from './waiting-places.memory.ts';
import { WAITING_PLACES, type WaitingPlaces } from './waiting-places.port.ts';
import { RedisWaitingPlaces } from './waiting-places.redis.ts';
import { WaitingRoom } from './waiting-room.ts';

/** Accounts, devices, sign-in and access tokens (DESIGN 4, 6.1, 6.2). */
@Module({
  imports: [ClockModule, LinksModule],
  providers: [
    BackgroundTasks,
    { provide: ACCOUNT_STORE, useClass: PrismaAccountStore },
    { provide: TOKEN_BINDINGS, useClass: PrismaTokenBindings },
    { provide: TENANT_STORE, useClass: PrismaTenantStore },
    { provide: KEYRING_STORE, useClass: PrismaKeyringStore },
    AccountAccess,
    DeviceVisits,
    AccountChanges,
    AccountService,
    ClusterIdentity,
    DeviceLists,
    DeviceProofs,
    HomesSigner,
    LinkingService,
    RecoveryService,
    RegistrationPuzzles,
    RegistrationService,
    RemoteKeySets,
    SignInService,
    TokenBinder,
    TokenIssuer,
    TokenVerifier,
    WaitingDevices,
    WaitingRoom,
    {
      provide: WAITING_PLACES,
      useFactory: (shared: SharedState | null, self: NodeId): WaitingPlaces =>
        shared ? new RedisWaitingPlaces(shared.connection, shared.keys, self) : new SoleWaitingPlaces(self),
      inject: [SHARED_STATE, NODE_ID],
    },
  ],
  exports: [
    AccountChanges,
    AccountService,
    DeviceProofs,
    HomesSigner,
    LinkingService,
    RecoveryService,
    RegistrationService,
    SignInService,
  ],
})
export class IdentityModule {}
