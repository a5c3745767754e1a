import { Inject, Injectable } from '@nestjs/common';
import type { RequestOf, ResponseOf } from '@parley/protocol';
import type { Caller } from '../identity/caller.ts';
import { Refusal } from '../refusal.ts';
import { DevicePresences } from './device-presences.ts';
import { LimitedStates } from './limited-states.ts';
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
    private readonly limits: LimitedStates,
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
    const endsAt = expiresInMs === undefined ? undefined : this.devices.now() + expiresInMs;
    await this.devices.choose(stored, state, statusText, endsAt);
    if (state !== 'invisible') await this.unhideOthers(caller);
    this.limits.watch({ device: caller, ...(endsAt !== undefined && { endsAt }) });
  }

  /** Being visible is the choice of the user, not of one device: it ends the hiding of the others. */
  private async unhideOthers(caller: Caller): Promise<void> {
    for (const stored of await this.devices.of(caller.tenant, caller.userId)) {
      if (stored.state === 'invisible') await this.devices.choose(stored, 'online', stored.statusText);
    }
  }
}
