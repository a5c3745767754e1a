import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { TenantId, UserId } from '@parley/protocol';
import { BackgroundTasks } from '../background-tasks.ts';
import { ContactsService } from '../contacts/contacts.service.ts';
import { PresenceFanOut } from './presence-fan-out.service.ts';

/**
 * Two users who begin or cease to be contacts see each other accordingly, at once. The supernode where the relation changed tells
 * both, wherever they live: the version of what it shows is that of the stored state.
 */
@Injectable()
export class RelationPresence implements OnModuleInit {
  constructor(
    private readonly contacts: ContactsService,
    private readonly fanOut: PresenceFanOut,
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
      this.fanOut.tell(tenant, userId, { only: watcher }),
    );
  }
}
