import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { BackgroundTasks } from '../background-tasks.ts';
import { BackgroundWrites } from '../background-writes.ts';
import { CLOCK, type Clock } from '../clock/clock.port.ts';
import { SCHEDULER, type Scheduler } from '../clock/scheduler.port.ts';
import { ACCOUNT_STORE, type AccountStore, type DeviceVisit } from './accounts.port.ts';
import type { DeviceAddress } from './caller.ts';

/** Notes when devices were here, for operators. No sign-in waits for it. */
@Injectable()
export class DeviceVisits implements OnApplicationShutdown {
  private readonly visits: BackgroundWrites<DeviceVisit>;

  constructor(
    @Inject(ACCOUNT_STORE) accounts: Pick<AccountStore, 'touchDevices'>,
    tasks: BackgroundTasks,
    @Inject(SCHEDULER) scheduler: Scheduler,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {
    this.visits = new BackgroundWrites(
      'noting when devices were here',
      (visits) => accounts.touchDevices(visits),
      tasks,
      scheduler,
    );
  }

  note({ tenant, deviceId }: DeviceAddress): void {
    this.visits.add({ tenant, deviceId, at: new Date(this.clock.now()) });
  }

  async onApplicationShutdown(): Promise<void> {
    await this.visits.close();
  }
}
