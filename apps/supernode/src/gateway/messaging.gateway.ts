import { MessageBody } from '@nestjs/websockets';
import type { RequestOf, ResponseOf } from '@parley/protocol';
import type { Caller } from '../identity/caller.ts';
import { MessagingService } from '../messaging/messaging.service.ts';
import { EdgeGateway, FromCaller, OnRequest } from './edge-gateway.decorator.ts';
import { RequestPipeline } from './request-pipeline.ts';

/** Messages into mailboxes, and a device's own mailbox. */
@EdgeGateway()
export class MessagingGateway {
  constructor(
    private readonly messaging: MessagingService,
    private readonly pipeline: RequestPipeline,
  ) {}

  @OnRequest('message.send')
  send(
    @FromCaller() caller: Caller,
    @MessageBody() request: RequestOf<'message.send'>,
  ): Promise<ResponseOf<'message.send'>> {
    return this.messaging.send(caller, request);
  }

  @OnRequest('message.send-batch')
  async sendBatch(
    @FromCaller() caller: Caller,
    @MessageBody() request: RequestOf<'message.send-batch'>,
  ): Promise<ResponseOf<'message.send-batch'>> {
    const results = await this.messaging.sendBatch(caller, request);
    return { outcomes: this.pipeline.answerEach('message.send', results) };
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
