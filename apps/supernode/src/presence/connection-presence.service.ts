import { Inject, Injectable } from '@nestjs/common';
import { LIMITS } from '@parley/protocol';
import { SupernodeError } from '../errors.ts';
import { COMEBACKS, type Comebacks } from '../gateway/comebacks.port.ts';
import type { ConnectionObserver } from '../gateway/connection-observer.port.ts';
import type { DeviceAddress } from '../identity/caller.ts';
import { DevicePresences } from './device-presences.ts';
import { DeviceTimers } from './device-timers.ts';
import { LimitedStates } from './limited-states.ts';
import { PresenceChanges } from './presence-changes.service.ts';
import { PRESENCE_PROFILES, type PresenceProfiles } from './presence-profile.port.ts';
import { HomeWatches } from './home-watches.service.ts';
import type { DevicePresence } from './presence-store.port.ts';

/** How long a lost connection goes unnoticed by watchers, in milliseconds. */
export const PRESENCE_GRACE_MS = Symbol('PresenceGraceMs');

const LOOK_AGAIN_MS = 1_000;
/** Of devices that lost their home together, one that returned was hardly the last: others are waited for so long after it. */
const FOLLOWED_MS = 5_000;

/**
 * Turns what happens to connections into presence. A lost connection shows only after the grace time, so that a device
 * that comes back in time causes no flap; a sign-off shows at once.
 */
@Injectable()
export class ConnectionPresence implements ConnectionObserver {
  private othersReturnUntil = 0;

  constructor(
    private readonly devices: DevicePresences,
    private readonly changes: PresenceChanges,
    private readonly timers: DeviceTimers,
    private readonly limits: LimitedStates,
    private readonly watches: HomeWatches,
    @Inject(PRESENCE_PROFILES) private readonly profiles: PresenceProfiles,
    @Inject(COMEBACKS) private readonly comebacks: Comebacks,
    @Inject(PRESENCE_GRACE_MS) private readonly graceMs: number,
  ) {}

  /** A home whose right has lapsed for a moment says it as soon as it may act again: the device is connected all the same. */
  async deviceReachable(device: DeviceAddress, how: 'signed-in' | 'resumed'): Promise<void> {
    try {
      await this.show(device, how);
    } catch (error) {
      if (!(error instanceof SupernodeError) || error.code !== 'SN_NOT_OWNER') throw error;
      // In place of the grace time, and given up with it; by then the device may watch others already.
      this.timers.start('grace', device, LOOK_AGAIN_MS, () => this.show(device, 'resumed'));
    }
  }

  private async show(device: DeviceAddress, how: 'signed-in' | 'resumed'): Promise<void> {
    await this.changes.apply({ ...device, cause: 'signed-in' }, async () => {
      this.timers.stop('grace', device);
      if (this.isLeftBehind(device)) this.othersReturnUntil = this.devices.now() + FOLLOWED_MS;
      this.timers.stop('return', device);
      if (how === 'signed-in') await this.watches.unwatchAll(device);
      else await this.watches.resumed(device);
      const settings = (await this.devices.find(device)) ?? (await this.chosen(device));
      await this.devices.write({ ...settings, device, present: true, reachable: true, resumableUntil: null });
    });
  }

  async deviceUnreachable(device: DeviceAddress): Promise<void> {
    // What may still be to come is that it is connected.
    this.timers.stop('grace', device);
    await this.changes.apply({ ...device, cause: 'connection-lost' }, async () => {
      const stored = await this.devices.find(device);
      if (!stored) return;
      const resumableUntil = this.devices.now() + LIMITS.resumeWindowMs;
      await this.devices.write({ ...stored, reachable: false, resumableUntil });
      this.beginGrace(device);
    });
  }

  /** The next home waits for it. */
  async deviceMoved(device: DeviceAddress): Promise<void> {
    await this.watches.moved(device);
    for (const timer of ['grace', 'expiry', 'return'] as const) this.timers.stop(timer, device);
  }

  /**
   * A device of a user whose home was another supernode: as if its connection had been lost just now. Nobody here holds a channel
   * that would end with the time to resume, so that is waited for too.
   */
  async leftBehind(device: DeviceAddress, isBack: () => boolean): Promise<void> {
    await this.changes.apply({ ...device, cause: 'connection-lost' }, async () => {
      const stored = await this.devices.find(device);
      if (stored) this.limits.watch(stored);
      if (!stored || isBack()) return;
      const now = this.devices.now();
      const resumableUntil = stored.reachable ? now + LIMITS.resumeWindowMs : (stored.resumableUntil ?? now);
      if (stored.reachable) await this.devices.write({ ...stored, reachable: false, resumableUntil });
      if (stored.present) this.beginGrace(device);
      this.timers.start('return', device, Math.max(this.graceMs, resumableUntil - now), () =>
        this.deviceGone(device, 'expired'),
      );
    });
  }

  async deviceGone(device: DeviceAddress, cause: 'signed-off' | 'expired' | 'revoked'): Promise<void> {
    await this.changes.apply(
      { ...device, cause: cause === 'expired' ? 'connection-lost' : cause },
      async () => {
        this.timers.stop('grace', device);
        this.timers.stop('expiry', device);
        this.timers.stop('return', device);
        await this.watches.unwatchAll(device);
        await this.devices.remove(device);
      },
    );
  }

  private beginGrace(device: DeviceAddress): void {
    const { graceMs, timers } = this;
    // Held up by this supernode, or by the storm that its home was lost in, it has as long as it may resume.
    timers.start('grace', device, graceMs, () => this.graceOver(device, LIMITS.resumeWindowMs - graceMs));
  }

  private async graceOver(device: DeviceAddress, extensionMs: number): Promise<void> {
    const mayStillReturn = this.isLeftBehind(device) && this.devices.now() < this.othersReturnUntil;
    if ((mayStillReturn || this.comebacks.isHoldingUp) && extensionMs > 0) {
      const left = extensionMs - LOOK_AGAIN_MS;
      this.timers.start('grace', device, LOOK_AGAIN_MS, () => this.graceOver(device, left));
      return;
    }
    await this.changes.apply({ ...device, cause: 'connection-lost' }, async () => {
      const stored = await this.devices.find(device);
      if (stored && !stored.reachable) await this.devices.write({ ...stored, present: false });
    });
  }

  /** It had another home, and did not come here yet. */
  private isLeftBehind(device: DeviceAddress): boolean {
    return this.timers.isRunning('return', device);
  }

  private async chosen({
    tenant,
    userId,
  }: DeviceAddress): Promise<Pick<DevicePresence, 'state' | 'statusText' | 'setAt'>> {
    const profile = await this.profiles.load(tenant, userId);
    const { chosen = 'online', statusText = null } = profile ?? {};
    return { state: chosen, statusText, setAt: this.devices.now() };
  }
}
