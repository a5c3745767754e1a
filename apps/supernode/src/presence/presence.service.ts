import { Inject, Injectable } from '@nestjs/common';
import type { RequestOf, ResponseOf } from '@parley/protocol';
import type { Caller } from '../identity/caller.ts';
import { Refusal } from '../refusal.ts';
import { DevicePresences } from './device-presences.ts';
import { DeviceTimers } from './device-timers.ts';
import { PresenceChanges } from './presence-changes.service.ts';
import { PRESENCE_PROFILES, type PresenceProfiles } from './presence-profile.port.ts';
import { PresenceViews } from './presence-views.service.ts';

/** The presence that a device sets for itself. */
@Injectable()
export class PresenceService {
  constructor(
    private readonly devices: DevicePresences,
    private readonly changes: PresenceChanges,
    private readonly views: PresenceViews,
    private readonly timers: DeviceTimers,
    @Inject(PRESENCE_PROFILES) private readonly profiles: PresenceProfiles,
  ) {}

  async set(caller: Caller, request: RequestOf<'presence.set'>): Promise<ResponseOf<'presence.set'>> {
    await this.changes.apply({ ...caller, cause: 'explicit' }, () => this.choose(caller, request));
    const [own] = await this.views.of(caller, [caller.userId]);
    if (!own) throw new Refusal('INTERNAL');
    return own;
  }

  private async choose(caller: Caller, request: RequestOf<'presence.set'>): Promise<void> {
    const { state, expiresInMs, statusText = null } = request;
    const stored = await this.devices.find(caller);
    if (!stored) throw new Refusal('CONFLICT', 'The device is not signed in any more.');
    // A hidden user stays hidden after a restart, whatever the time limit says: rather too long than seen once.
    if (expiresInMs === undefined || state === 'invisible') {
      await this.profiles.saveChoice(caller.tenant, caller.userId, state, statusText);
    }
    await this.devices.choose(stored, state, statusText);
    if (state !== 'invisible') await this.unhideOthers(caller);
    this.timers.stop('expiry', caller);
    if (expiresInMs !== undefined)
      this.timers.start('expiry', caller, expiresInMs, () => this.expire(caller));
  }

  /** Being visible is the choice of the user, not of one device: it ends the hiding of the others. */
  private async unhideOthers(caller: Caller): Promise<void> {
    for (const stored of await this.devices.of(caller.tenant, caller.userId)) {
      if (stored.state === 'invisible') await this.devices.choose(stored, 'online', stored.statusText);
    }
  }

  private async expire(caller: Caller): Promise<void> {
    await this.changes.apply({ ...caller, cause: 'expiry' }, async () => {
      const stored = await this.devices.find(caller);
      if (stored) await this.devices.choose(stored, 'online', null);
    });
  }
}
