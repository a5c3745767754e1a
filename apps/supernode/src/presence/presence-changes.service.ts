import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import type { DeviceId, TenantId, UserId } from '@parley/protocol';
import { BackgroundTasks } from '../background-tasks.ts';
import { CLOCK, type Clock } from '../clock/clock.port.ts';
import { SCHEDULER, type Scheduler } from '../clock/scheduler.port.ts';
import { slotOf, type Slot } from '../cluster/slot.ts';
import { userKey } from '../identity/caller.ts';
import { SerialByKey } from '../serial-by-key.ts';
import { coalesce, visibleTo, type UserState } from './coalesce.ts';
import { DevicePresences } from './device-presences.ts';
import { PresenceFanOut } from './presence-fan-out.service.ts';
import { PresenceHistory } from './presence-history.service.ts';
import { PRESENCE_PACE, PresencePace, type PresencePaceSettings } from './presence-pace.ts';
import type { PresenceCause } from './presence-profile.port.ts';
import type { DevicePresence, StoredUser } from './presence-store.port.ts';

/** Whose presence changes, why, and by which device. */
export interface PresenceChange {
  readonly tenant: TenantId;
  readonly userId: UserId;
  readonly deviceId: DeviceId;
  readonly cause: PresenceCause;
}

interface Shown {
  readonly full: UserState;
  readonly visible: UserState;
  /** States of the single devices, which the user's own devices see. */
  readonly devices: string;
}

/** What a user showed when watchers were last told, and more that they are about to be told. */
interface Untold {
  readonly tenant: TenantId;
  readonly userId: UserId;
  readonly before: Shown;
  readonly cancel: () => void;
}

const TELL_AGAIN_MS = 1000;

const same = (a: UserState, b: UserState): boolean => a.state === b.state && a.statusText === b.statusText;

/**
 * Changes what is stored of a user, one change after another; then compares what the user shows with what was last told
 * and tells exactly those watchers for whom it differs: changes in quick succession as one, and none where a state came back.
 */
@Injectable()
export class PresenceChanges implements OnModuleDestroy {
  private readonly serial = new SerialByKey();
  private readonly untold = new Map<string, Untold>();
  private readonly pace: PresencePace;

  constructor(
    private readonly devices: DevicePresences,
    private readonly fanOut: PresenceFanOut,
    private readonly history: PresenceHistory,
    private readonly background: BackgroundTasks,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(SCHEDULER) private readonly scheduler: Scheduler,
    @Inject(PRESENCE_PACE) settings: PresencePaceSettings,
  ) {
    this.pace = new PresencePace(settings);
  }

  onModuleDestroy(): void {
    for (const { cancel } of this.untold.values()) cancel();
  }

  async apply(change: PresenceChange, write: () => Promise<void>): Promise<void> {
    const { tenant, userId } = change;
    await this.serial.run(userKey(tenant, userId), async () => {
      const before = shownBy(await this.devices.of(tenant, userId));
      await write();
      const now = shownBy(await this.devices.of(tenant, userId));
      await this.remember(change, before, now);
      if (before.devices !== now.devices || !same(before.full, now.full)) await this.announce(change, before);
    });
  }

  /** Tells everybody who may see the user, whatever they were told before: an earlier home may not have come to it. */
  async reassert({ tenant, userId }: StoredUser): Promise<void> {
    await this.serial.run(userKey(tenant, userId), () => this.fanOut.tell(tenant, userId, 'entitled'));
  }

  /** The slots have another home, which tells watchers what is to be told. */
  forget(slots: ReadonlySet<Slot>): void {
    for (const [key, { tenant, userId, cancel }] of this.untold) {
      if (!slots.has(slotOf(tenant, userId))) continue;
      cancel();
      this.untold.delete(key);
    }
  }

  private async remember(change: PresenceChange, before: Shown, now: Shown): Promise<void> {
    const { tenant, userId, deviceId, cause } = change;
    const [from, to] = [before.full.state, now.full.state];
    if (before.visible.state !== 'offline' && now.visible.state === 'offline') {
      await this.history.left({ tenant, userId });
    }
    if (from !== to) this.history.record({ tenant, userId, deviceId, from, to, cause });
  }

  private async announce(user: StoredUser, before: Shown): Promise<void> {
    const { tenant, userId } = user;
    const key = userKey(tenant, userId);
    if (this.untold.has(key)) return;
    const wait = this.pace.announce(key, this.clock.monotonic());
    if (wait === 0) await this.tell({ tenant, userId, before });
    else this.tellLater({ tenant, userId, before }, wait);
  }

  private tellLater(update: Omit<Untold, 'cancel'>, milliseconds: number): void {
    const { tenant, userId } = update;
    const key = userKey(tenant, userId);
    const task = (): Promise<void> =>
      this.serial.run(key, async () => {
        if (this.untold.delete(key)) await this.tell(update);
      });
    const cancel = this.scheduler.after(milliseconds, () => void task());
    this.untold.set(key, { ...update, cancel });
  }

  /** The change stands even where nobody could be told of it: that is tried again. */
  private async tell(update: Omit<Untold, 'cancel'>): Promise<void> {
    const { tenant, userId, before } = update;
    const outcome = { isTold: false };
    await this.background.attempt('telling watchers', async () => {
      const now = shownBy(await this.devices.of(tenant, userId));
      const forOthers = !same(before.visible, now.visible);
      const forOwn = forOthers || !same(before.full, now.full) || before.devices !== now.devices;
      if (forOwn) await this.fanOut.tell(tenant, userId, forOthers ? 'entitled' : 'own');
      outcome.isTold = true;
    });
    if (!outcome.isTold) this.tellLater(update, TELL_AGAIN_MS);
  }
}

function shownBy(devices: readonly DevicePresence[]): Shown {
  const full = coalesce(devices);
  const described = devices.map(
    ({ device, present, state }) => `${device.deviceId}=${present ? state : 'offline'}`,
  );
  return { full, visible: visibleTo(full), devices: described.sort().join(' ') };
}
