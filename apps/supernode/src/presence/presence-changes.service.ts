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

/** A change of what a user shows that nobody was told of yet. */
interface Untold {
  readonly tenant: TenantId;
  readonly userId: UserId;
  /** Whether only the user's own devices can have seen it. */
  readonly audience: 'entitled' | 'own';
  readonly cancel: () => void;
}

const TELL_AGAIN_MS = 1000;

const same = (a: UserState, b: UserState): boolean => a.state === b.state && a.statusText === b.statusText;

/**
 * Changes what is stored of a user, one change after another; then tells exactly those watchers for whom the user looks different:
 * changes in quick succession as one. Also where a state came back: whoever began to watch in between has read the other one.
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
      const forOthers = !same(before.visible, now.visible);
      const forOwn = forOthers || !same(before.full, now.full) || before.devices !== now.devices;
      if (forOwn) await this.announce({ tenant, userId, audience: forOthers ? 'entitled' : 'own' });
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

  private async announce(update: Omit<Untold, 'cancel'>): Promise<void> {
    const key = userKey(update.tenant, update.userId);
    const earlier = this.untold.get(key);
    if (earlier) {
      if (update.audience === 'entitled') this.untold.set(key, { ...earlier, audience: 'entitled' });
      return;
    }
    const wait = this.pace.announce(key, this.clock.monotonic());
    if (wait === 0) await this.tell(update);
    else this.tellLater(update, wait);
  }

  private tellLater(update: Omit<Untold, 'cancel'>, milliseconds: number): void {
    const key = userKey(update.tenant, update.userId);
    const task = (): Promise<void> =>
      this.serial.run(key, async () => {
        const untold = this.untold.get(key);
        if (untold?.cancel !== cancel) return;
        this.untold.delete(key);
        await this.tell(untold);
      });
    const cancel = this.scheduler.after(milliseconds, () => void task());
    this.untold.set(key, { ...update, cancel });
  }

  /** The change stands even where nobody could be told of it: that is tried again. */
  private async tell({ tenant, userId, audience }: Omit<Untold, 'cancel'>): Promise<void> {
    const outcome = { isTold: false };
    await this.background.attempt('telling watchers', async () => {
      await this.fanOut.tell(tenant, userId, audience);
      outcome.isTold = true;
    });
    if (!outcome.isTold) this.tellLater({ tenant, userId, audience }, TELL_AGAIN_MS);
  }
}

function shownBy(devices: readonly DevicePresence[]): Shown {
  const full = coalesce(devices);
  const described = devices.map(
    ({ device, present, state }) => `${device.deviceId}=${present ? state : 'offline'}`,
  );
  return { full, visible: visibleTo(full), devices: described.sort().join(' ') };
}
