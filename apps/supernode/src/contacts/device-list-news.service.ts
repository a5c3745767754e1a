import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import type { TenantId, UserId } from '@parley/protocol';
import { BackgroundTasks } from '../background-tasks.ts';
import { NOTIFIER, type Notifier } from '../gateway/notifier.port.ts';
import { AccountChanges } from '../identity/account-changes.ts';
import type { AccountObserver, DeviceListChange } from '../identity/account-observer.port.ts';
import { CONTACT_BOOK, type ContactBook } from './contact-book.port.ts';
import { ContactsService } from './contacts.service.ts';

/** Tells a user's contacts that its device list changed, so that they verify the new version. */
@Injectable()
export class DeviceListNews implements AccountObserver, OnModuleInit {
  constructor(
    private readonly changes: AccountChanges,
    private readonly contacts: ContactsService,
    @Inject(CONTACT_BOOK) private readonly book: ContactBook,
    @Inject(NOTIFIER) private readonly notifier: Notifier,
    private readonly background: BackgroundTasks,
  ) {}

  onModuleInit(): void {
    this.changes.subscribe(this);
    this.contacts.onRelationChanged((tenant, a, b, mutual) => {
      if (!mutual) return;
      void this.catchUp(tenant, a, b);
      void this.catchUp(tenant, b, a);
    });
  }

  async deviceListChanged({ tenant, userId, version }: DeviceListChange): Promise<void> {
    for (const contact of await this.book.mutualContacts(tenant, userId)) {
      this.notifier.notifyUser(tenant, contact, 'account.devices-changed', { userId, version });
    }
  }

  /** Who was blocked for a while had `contact` in the list all the time, and missed the news of it. */
  private catchUp(tenant: TenantId, userId: UserId, contact: UserId): Promise<void> {
    return this.background.attempt('telling the device list of a new contact', async () => {
      const versions = await this.book.deviceListVersions(tenant, userId);
      const version = versions.find((list) => list.userId === contact)?.version;
      if (version === undefined) return;
      this.notifier.notifyUser(tenant, userId, 'account.devices-changed', { userId: contact, version });
    });
  }
}
