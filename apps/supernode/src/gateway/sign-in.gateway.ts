import { MessageBody, type OnGatewayInit } from '@nestjs/websockets';
import { LIMITS, type RequestOf, type ResponseOf } from '@parley/protocol';
import type { Caller } from '../identity/caller.ts';
import { DeviceProofs } from '../identity/device-proof.ts';
import { SignInService } from '../identity/sign-in.service.ts';
import { ConnectionLifecycle } from './connection-lifecycle.ts';
import type { Connection } from './connection.ts';
import { DeviceChannels } from './device-channels.ts';
import { EdgeGateway, FromCaller, FromConnection, OnRequest } from './edge-gateway.decorator.ts';
import { EdgeSignIn } from './edge-sign-in.service.ts';
import type { EdgeServer } from './edge-socket.ts';
import type { FollowedReply } from './reply.ts';

/** Sign-in, resume, renewal and sign-off. */
@EdgeGateway()
export class SignInGateway implements OnGatewayInit<EdgeServer> {
  constructor(
    private readonly lifecycle: ConnectionLifecycle,
    private readonly proofs: DeviceProofs,
    private readonly edgeSignIn: EdgeSignIn,
    private readonly signIns: SignInService,
    private readonly channels: DeviceChannels,
  ) {}

  afterInit(server: EdgeServer): void {
    this.lifecycle.watch(server);
  }

  @OnRequest('challenge')
  challenge(
    @FromConnection() connection: Connection,
    @MessageBody() request: RequestOf<'challenge'>,
  ): ResponseOf<'challenge'> {
    return this.proofs.challenge(connection, request);
  }

  @OnRequest('authenticate')
  authenticate(
    @FromConnection() connection: Connection,
    @MessageBody() request: RequestOf<'authenticate'>,
  ): Promise<FollowedReply<ResponseOf<'authenticate'>>> {
    return this.edgeSignIn.authenticate(connection, request);
  }

  @OnRequest('resume')
  resume(
    @FromConnection() connection: Connection,
    @MessageBody() request: RequestOf<'resume'>,
  ): Promise<FollowedReply<ResponseOf<'resume'>>> {
    return this.edgeSignIn.resume(connection, request);
  }

  @OnRequest('token.renew')
  renew(
    @FromConnection() connection: Connection,
    @MessageBody() request: RequestOf<'token.renew'>,
  ): Promise<ResponseOf<'token.renew'>> {
    return this.signIns.renew(connection, request);
  }

  @OnRequest('sign-off')
  async signOff(
    @FromConnection() connection: Connection,
    @FromCaller() caller: Caller,
  ): Promise<ResponseOf<'sign-off'>> {
    await this.channels.end(caller, 'signed-off');
    connection.expectSignInWithin(LIMITS.challengeLifetimeMs);
    return {};
  }
}
