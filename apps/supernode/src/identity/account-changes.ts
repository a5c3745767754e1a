import { Injectable } from '@nestjs/common';
import { BackgroundTasks } from '../background-tasks.ts';
import type { AccountObserver, DeviceListChange } from './account-observer.port.ts';

/** Tells the other concerns of changes of accounts. They subscribe when their module starts; identity knows none of them. */
@Injectable()
export class AccountChanges {
  private readonly observers: AccountObserver[] = [];

  constructor(private readonly tasks: BackgroundTasks) {}

  subscribe(observer: AccountObserver): void {
    this.observers.push(observer);
  }

  /** A change is committed: what an observer fails to do with it does not undo it, and is logged. */
  async announce(change: DeviceListChange): Promise<void> {
    for (const observer of this.observers) {
      await this.tasks.attempt('Telling of a device list', async () => observer.deviceListChanged(change));
    }
  }
}
