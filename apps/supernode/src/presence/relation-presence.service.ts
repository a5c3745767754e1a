import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { TenantId, UserId } from '@parley/protocol';
import { BackgroundTasks } from '../background-tasks.ts';
import { ContactsService } from '../contacts/contacts.service.ts';
import { PresenceChanges } from './presence-changes.service.ts';

/** Two users who begin or cease to be contacts see each other accordingly, at once. */
@Injectable()
export class RelationPresence implements OnModuleInit {
  constructor(
    private readonly contacts: ContactsService,
    private readonly changes: PresenceChanges,
    private readonly background: BackgroundTasks,
  ) {}

  onModuleInit(): void {
    this.contacts.onRelationChanged((tenant, a, b) => {
      void this.refresh(tenant, a, b);
      void this.refresh(tenant, b, a);
    });
  }

  private refresh(tenant: TenantId, userId: UserId, watcher: UserId): Promise<void> {
    return this.background.attempt('telling a changed relation', () =>
      this.changes.refresh(tenant, userId, watcher),
    );
  }
}
