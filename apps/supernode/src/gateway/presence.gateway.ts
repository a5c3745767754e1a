import { MessageBody } from '@nestjs/websockets';
import type { RequestOf, ResponseOf } from '@parley/protocol';
import { PresenceService } from '../presence/presence.service.ts';
import { WatchingService } from '../presence/watching.service.ts';
import type { Caller } from '../identity/caller.ts';
import { EdgeGateway, FromCaller, OnRequest } from './edge-gateway.decorator.ts';

/** Presence of this device, and watching that of others. */
@EdgeGateway()
export class PresenceGateway {
  constructor(
    private readonly presence: PresenceService,
    private readonly watching: WatchingService,
  ) {}

  @OnRequest('presence.set')
  set(
    @FromCaller() caller: Caller,
    @MessageBody() request: RequestOf<'presence.set'>,
  ): Promise<ResponseOf<'presence.set'>> {
    return this.presence.set(caller, request);
  }

  @OnRequest('presence.subscribe')
  subscribe(
    @FromCaller() caller: Caller,
    @MessageBody() request: RequestOf<'presence.subscribe'>,
  ): Promise<ResponseOf<'presence.subscribe'>> {
    return this.watching.subscribe(caller, request);
  }

  @OnRequest('presence.unsubscribe')
  unsubscribe(
    @FromCaller() caller: Caller,
    @MessageBody() request: RequestOf<'presence.unsubscribe'>,
  ): Promise<ResponseOf<'presence.unsubscribe'>> {
    return this.watching.unsubscribe(caller, request);
  }
}
