import { Module } from '@nestjs/common';
import { BackgroundTasks } from '../background-tasks.ts';
import { ChannelsModule } from '../gateway/channels.module.ts';
import { IdentityModule } from '../identity/identity.module.ts';
import { PrismaContactBook } from '../persistence/contact-book.prisma.ts';
import { CONTACT_BOOK } from './contact-book.port.ts';
import { ContactsService } from './contacts.service.ts';
import { DeviceListNews } from './device-list-news.service.ts';

@Module({
  imports: [ChannelsModule, IdentityModule],
  providers: [
    BackgroundTasks,
    ContactsService,
    DeviceListNews,
    { provide: CONTACT_BOOK, useClass: PrismaContactBook },
  ],
  exports: [ContactsService, CONTACT_BOOK],
})
export class ContactsModule {}
