import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import type { TenantId, UserId } from '@parley/protocol';
import { BackgroundTasks } from '../background-tasks.ts';
import { ContactsService } from '../contacts/contacts.service.ts';
import { CallLegs } from './call-legs.service.ts';
import { SESSION_BOOK, type SessionBook } from './session-book.port.ts';
import { SessionNews } from './session-news.service.ts';

/** What is offered between two users ends for the callee when either of them blocks or removes the other. */
@Injectable()
export class EndedRelations implements OnModuleInit {
  constructor(
    @Inject(SESSION_BOOK) private readonly book: SessionBook,
    private readonly contacts: ContactsService,
    private readonly news: SessionNews,
    private readonly calls: CallLegs,
    private readonly background: BackgroundTasks,
  ) {}

  onModuleInit(): void {
    this.contacts.onRelationChanged((tenant, ender, other, areContacts) => {
      if (areContacts) return;
      void this.background.attempt('ending what is offered between former contacts', async () => {
        await this.mute(tenant, other, ender);
        await this.withdraw(tenant, ender, other);
      });
    });
  }

  /** The callee ended it: its devices fall silent at once, and to the caller it looks as if nobody answered. */
  private async mute(tenant: TenantId, caller: UserId, callee: UserId): Promise<void> {
    for (const { sessionId } of await this.book.offersBetween(tenant, caller, callee)) {
      const muted = await this.book.change(tenant, sessionId, (current) =>
        current.state === 'offered' ? { ...current, areContacts: false, isMuted: true } : undefined,
      );
      if (muted) this.news.endedForOffered(muted, muted.call ? 'rejected' : 'cancelled');
    }
  }

  /** The caller ended it: nobody takes the call back more clearly. */
  private async withdraw(tenant: TenantId, caller: UserId, callee: UserId): Promise<void> {
    for (const { sessionId } of await this.book.offersBetween(tenant, caller, callee)) {
      const withdrawn = await this.book.change(tenant, sessionId, (current) =>
        current.state === 'offered' ? null : undefined,
      );
      if (!withdrawn) continue;
      this.news.endedForParties(withdrawn, 'cancelled');
      await this.calls.cancelled(withdrawn);
    }
  }
}
