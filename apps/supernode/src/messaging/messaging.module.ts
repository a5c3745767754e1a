import { Module } from '@nestjs/common';
import { BackgroundTasks } from '../background-tasks.ts';
import { ClockModule } from '../clock/clock.module.ts';
import { ChannelsModule } from '../gateway/channels.module.ts';
import { PrismaCorrespondents } from '../persistence/mailbox-correspondents.prisma.ts';
import { PrismaMailboxStore } from '../persistence/mailbox-store.prisma.ts';
import { CORRESPONDENTS } from './correspondents.port.ts';
import { MailboxDelivery } from './mailbox-delivery.service.ts';
import { MailboxRetention } from './mailbox-retention.service.ts';
import { MAILBOX_STORE } from './mailbox-store.port.ts';
import { MailboxWriter } from './mailbox-writer.ts';
import { MessageBatches } from './message-batches.ts';
import { MessagingMetrics } from './messaging-metrics.ts';
import { MessagingService } from './messaging.service.ts';

/** Durable mailboxes. */
@Module({
  imports: [ClockModule, ChannelsModule],
  providers: [
    BackgroundTasks,
    MailboxDelivery,
    MailboxRetention,
    MailboxWriter,
    MessageBatches,
    MessagingMetrics,
    MessagingService,
    { provide: CORRESPONDENTS, useClass: PrismaCorrespondents },
    { provide: MAILBOX_STORE, useClass: PrismaMailboxStore },
  ],
  exports: [MessagingService],
})
export class MessagingModule {}
