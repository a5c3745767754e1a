import { MessageBody } from '@nestjs/websockets';
import type { RequestOf, ResponseOf } from '@parley/protocol';
import type { Caller } from '../identity/caller.ts';
import { MessagingService } from '../messaging/messaging.service.ts';
import { EdgeGateway, FromCaller, OnRequest } from './edge-gateway.decorator.ts';

/** Messages into mailboxes, and a device's own mailbox. */
@EdgeGateway()
export class MessagingGateway {
  constructor(private readonly messaging: MessagingService) {}

  @OnRequest('message.send')
  send(
    @FromCaller() caller: Caller,
    @MessageBody() request: RequestOf<'message.send'>,
  ): Promise<ResponseOf<'message.send'>> {
    return this.messaging.send(caller, request);
  }

  @OnRequest('mailbox.read')
  read(
    @FromCaller() caller: Caller,
    @MessageBody() request: RequestOf<'mailbox.read'>,
  ): Promise<ResponseOf<'mailbox.read'>> {
    return this.messaging.read(caller, request);
  }

  @OnRequest('mailbox.acknowledge')
  acknowledge(
    @FromCaller() caller: Caller,
    @MessageBody() request: RequestOf<'mailbox.acknowledge'>,
  ): Promise<ResponseOf<'mailbox.acknowledge'>> {
    return this.messaging.acknowledge(caller, request);
  }
}
