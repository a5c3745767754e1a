import { MessageBody } from '@nestjs/websockets';
import type { RequestOf, ResponseOf } from '@parley/protocol';
import { ContactsService } from '../contacts/contacts.service.ts';
import type { Caller } from '../identity/caller.ts';
import { EdgeGateway, FromCaller, OnRequest } from './edge-gateway.decorator.ts';

/** Contacts: requests, acceptance, blocks. */
@EdgeGateway()
export class ContactsGateway {
  constructor(private readonly contacts: ContactsService) {}

  @OnRequest('contacts.list')
  list(
    @FromCaller() caller: Caller,
    @MessageBody() request: RequestOf<'contacts.list'>,
  ): Promise<ResponseOf<'contacts.list'>> {
    return this.contacts.list(caller, request);
  }

  @OnRequest('contacts.request')
  request(
    @FromCaller() caller: Caller,
    @MessageBody() request: RequestOf<'contacts.request'>,
  ): Promise<ResponseOf<'contacts.request'>> {
    return this.contacts.request(caller, request);
  }

  @OnRequest('contacts.accept')
  accept(
    @FromCaller() caller: Caller,
    @MessageBody() request: RequestOf<'contacts.accept'>,
  ): Promise<ResponseOf<'contacts.accept'>> {
    return this.contacts.accept(caller, request);
  }

  @OnRequest('contacts.remove')
  remove(
    @FromCaller() caller: Caller,
    @MessageBody() request: RequestOf<'contacts.remove'>,
  ): Promise<ResponseOf<'contacts.remove'>> {
    return this.contacts.remove(caller, request);
  }

  @OnRequest('contacts.block')
  block(
    @FromCaller() caller: Caller,
    @MessageBody() request: RequestOf<'contacts.block'>,
  ): Promise<ResponseOf<'contacts.block'>> {
    return this.contacts.block(caller, request);
  }

  @OnRequest('contacts.unblock')
  unblock(
    @FromCaller() caller: Caller,
    @MessageBody() request: RequestOf<'contacts.unblock'>,
  ): Promise<ResponseOf<'contacts.unblock'>> {
    return this.contacts.unblock(caller, request);
  }
}
