import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { NOTIFIER, type Notifier } from '../gateway/notifier.port.ts';
import { AccountChanges } from '../identity/account-changes.ts';
import type { AccountObserver, DeviceListChange } from '../identity/account-observer.port.ts';
import { CONTACT_BOOK, type ContactBook } from './contact-book.port.ts';

/** Tells a user's contacts that its device list changed, so that they verify the new version. */
@Injectable()
export class DeviceListNews implements AccountObserver, OnModuleInit {
  constructor(
    private readonly changes: AccountChanges,
    @Inject(CONTACT_BOOK) private readonly book: ContactBook,
    @Inject(NOTIFIER) private readonly notifier: Notifier,
  ) {}

  onModuleInit(): void {
    this.changes.subscribe(this);
  }

  async deviceListChanged({ tenant, userId, version }: DeviceListChange): Promise<void> {
    for (const contact of await this.book.mutualContacts(tenant, userId)) {
      this.notifier.notifyUser(tenant, contact, 'account.devices-changed', { userId, version });
    }
  }
}
