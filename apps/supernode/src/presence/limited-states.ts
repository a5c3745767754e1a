import { Injectable } from '@nestjs/common';
import type { DeviceAddress } from '../identity/caller.ts';
import { DevicePresences } from './device-presences.ts';
import { DeviceTimers } from './device-timers.ts';
import { PresenceChanges } from './presence-changes.service.ts';
import type { DevicePresence } from './presence-store.port.ts';

/** States that were chosen for a limited time: at its end, whichever supernode is the home then, the device is online again. */
@Injectable()
export class LimitedStates {
  constructor(
    private readonly devices: DevicePresences,
    private readonly changes: PresenceChanges,
    private readonly timers: DeviceTimers,
  ) {}

  /** Waits for the end of what is stored of the device, if it has one, and for no earlier one. */
  watch({ device, endsAt }: Pick<DevicePresence, 'device' | 'endsAt'>): void {
    this.timers.stop('expiry', device);
    if (endsAt === undefined) return;
    const wait = Math.max(0, endsAt - this.devices.now());
    this.timers.start('expiry', device, wait, () => this.end(device, endsAt));
  }

  private async end(device: DeviceAddress, endsAt: number): Promise<void> {
    await this.changes.apply({ ...device, cause: 'expiry' }, async () => {
      const stored = await this.devices.find(device);
      if (stored?.endsAt === endsAt) await this.devices.choose(stored, 'online', null);
    });
  }
}
