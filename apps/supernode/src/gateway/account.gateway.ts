import { MessageBody } from '@nestjs/websockets';
import { LIMITS, type RequestOf, type ResponseOf } from '@parley/protocol';
import { AccountService } from '../identity/account.service.ts';
import type { Caller } from '../identity/caller.ts';
import { LinkingService } from '../identity/linking.service.ts';
import { RecoveryService } from '../identity/recovery.service.ts';
import { RegistrationService } from '../identity/registration.service.ts';
import type { Connection } from './connection.ts';
import { EdgeGateway, FromCaller, FromConnection, OnRequest } from './edge-gateway.decorator.ts';

/** Registration, device lists, linking and recovery. */
@EdgeGateway()
export class AccountGateway {
  constructor(
    private readonly registration: RegistrationService,
    private readonly accounts: AccountService,
    private readonly linking: LinkingService,
    private readonly recovery: RecoveryService,
  ) {}

  @OnRequest('register.puzzle')
  puzzle(
    @FromConnection() connection: Connection,
    @MessageBody() request: RequestOf<'register.puzzle'>,
  ): Promise<ResponseOf<'register.puzzle'>> {
    connection.expectSignInWithin(LIMITS.puzzleLifetimeMs);
    return this.registration.puzzle(connection, request);
  }

  @OnRequest('register')
  register(
    @FromConnection() connection: Connection,
    @MessageBody() request: RequestOf<'register'>,
  ): Promise<ResponseOf<'register'>> {
    return this.registration.register(connection, request);
  }

  @OnRequest('account.create')
  create(
    @FromCaller() caller: Caller,
    @MessageBody() request: RequestOf<'account.create'>,
  ): Promise<ResponseOf<'account.create'>> {
    return this.accounts.create(caller, request);
  }

  @OnRequest('account.devices')
  devices(
    @FromCaller() caller: Caller,
    @MessageBody() request: RequestOf<'account.devices'>,
  ): Promise<ResponseOf<'account.devices'>> {
    return this.accounts.devices(caller, request);
  }

  @OnRequest('account.update-devices')
  updateDevices(
    @FromCaller() caller: Caller,
    @MessageBody() request: RequestOf<'account.update-devices'>,
  ): Promise<ResponseOf<'account.update-devices'>> {
    return this.accounts.updateDevices(caller, request);
  }

  @OnRequest('link.open')
  async openLink(
    @FromConnection() connection: Connection,
    @MessageBody() request: RequestOf<'link.open'>,
  ): Promise<ResponseOf<'link.open'>> {
    const response = await this.linking.open(connection, request);
    connection.expectSignInWithin(LIMITS.linkLifetimeMs);
    return response;
  }

  @OnRequest('link.approve')
  approveLink(
    @FromCaller() caller: Caller,
    @MessageBody() request: RequestOf<'link.approve'>,
  ): Promise<ResponseOf<'link.approve'>> {
    return this.linking.approve(caller, request);
  }

  @OnRequest('account.recover')
  recover(
    @FromConnection() connection: Connection,
    @MessageBody() request: RequestOf<'account.recover'>,
  ): Promise<ResponseOf<'account.recover'>> {
    return this.recovery.recover(connection, request);
  }

  @OnRequest('account.recovery-lists')
  recoveryLists(
    @FromConnection() connection: Connection,
    @MessageBody() request: RequestOf<'account.recovery-lists'>,
  ): Promise<ResponseOf<'account.recovery-lists'>> {
    return this.recovery.lists(connection, request);
  }
}
