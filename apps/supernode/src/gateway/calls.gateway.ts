import { MessageBody } from '@nestjs/websockets';
import type { RequestOf, ResponseOf } from '@parley/protocol';
import { CallHistory } from '../calls/call-history.service.ts';
import type { Caller } from '../identity/caller.ts';
import { EdgeGateway, FromCaller, OnRequest } from './edge-gateway.decorator.ts';

/** The history of calls. Their ringing and their end come with the sessions. */
@EdgeGateway()
export class CallsGateway {
  constructor(private readonly calls: CallHistory) {}

  @OnRequest('calls.history')
  history(
    @FromCaller() caller: Caller,
    @MessageBody() request: RequestOf<'calls.history'>,
  ): Promise<ResponseOf<'calls.history'>> {
    return this.calls.history(caller, request);
  }
}
