import { MessageBody } from '@nestjs/websockets';
import type { RequestOf, ResponseOf } from '@parley/protocol';
import { CallLegs } from '../rendezvous/call-legs.service.ts';
import { RendezvousService } from '../rendezvous/rendezvous.service.ts';
import type { Caller } from '../identity/caller.ts';
import { EdgeGateway, FromCaller, OnRequest } from './edge-gateway.decorator.ts';

/** Brokering of sessions: offers, answers, candidates, outcomes. */
@EdgeGateway()
export class RendezvousGateway {
  constructor(
    private readonly rendezvous: RendezvousService,
    private readonly calls: CallLegs,
  ) {}

  @OnRequest('session.offer')
  offer(
    @FromCaller() caller: Caller,
    @MessageBody() request: RequestOf<'session.offer'>,
  ): Promise<ResponseOf<'session.offer'>> {
    return this.rendezvous.offer(caller, request);
  }

  @OnRequest('session.answer')
  answer(
    @FromCaller() caller: Caller,
    @MessageBody() request: RequestOf<'session.answer'>,
  ): Promise<ResponseOf<'session.answer'>> {
    return this.rendezvous.answer(caller, request);
  }

  @OnRequest('session.candidates')
  candidates(
    @FromCaller() caller: Caller,
    @MessageBody() request: RequestOf<'session.candidates'>,
  ): Promise<ResponseOf<'session.candidates'>> {
    return this.rendezvous.candidates(caller, request);
  }

  @OnRequest('session.cancel')
  cancel(
    @FromCaller() caller: Caller,
    @MessageBody() request: RequestOf<'session.cancel'>,
  ): Promise<ResponseOf<'session.cancel'>> {
    return this.rendezvous.cancel(caller, request);
  }

  @OnRequest('session.reject')
  reject(
    @FromCaller() caller: Caller,
    @MessageBody() request: RequestOf<'session.reject'>,
  ): Promise<ResponseOf<'session.reject'>> {
    return this.rendezvous.reject(caller, request);
  }

  @OnRequest('session.ringing')
  ringing(
    @FromCaller() caller: Caller,
    @MessageBody() request: RequestOf<'session.ringing'>,
  ): Promise<ResponseOf<'session.ringing'>> {
    return this.calls.ringing(caller, request);
  }

  @OnRequest('call.end')
  endCall(
    @FromCaller() caller: Caller,
    @MessageBody() request: RequestOf<'call.end'>,
  ): Promise<ResponseOf<'call.end'>> {
    return this.calls.end(caller, request);
  }

  @OnRequest('session.report')
  report(
    @FromCaller() caller: Caller,
    @MessageBody() request: RequestOf<'session.report'>,
  ): Promise<ResponseOf<'session.report'>> {
    return this.rendezvous.report(caller, request);
  }
}
