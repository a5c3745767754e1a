import { Inject, Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { BackgroundTasks } from '../background-tasks.ts';
import { SCHEDULER, type Scheduler } from '../clock/scheduler.port.ts';
import { OWNERSHIP, type Ownership, type OwnershipChange } from '../cluster/ownership.port.ts';
import type { Slot } from '../cluster/slot.ts';
import { LOCAL_DEVICES, type LocalDevices } from '../gateway/local-devices.port.ts';
import { ConnectionPresence, PRESENCE_GRACE_MS } from './connection-presence.service.ts';
import { DevicePresences } from './device-presences.ts';
import { DeviceTimers } from './device-timers.ts';
import { PresenceChanges } from './presence-changes.service.ts';
import { PRESENCE_STORE, type PresenceStore, type StoredUser } from './presence-store.port.ts';

/** Questions to the store at a time. */
const AT_ONCE = 32;
const ASK_AGAIN_MS = 1000;
/** Users of whom watchers are told anew at a time, and the pause after it: others have been waiting in the storm for longer. */
const REASSERTED_AT_ONCE = 20;
const REASSERT_PAUSE_MS = 50;

/**
 * What happens to presence when a slot comes to this supernode: the devices that its users had elsewhere are waited for like
 * devices that just lost their connection, and those that do not return end. When it goes, the next home does that.
 */
@Injectable()
export class PresenceTakeover implements OnModuleInit, OnModuleDestroy {
  private readonly arriving = new Set<Slot>();
  private readonly cancels = new Set<() => void>();
  private endListening: () => void = () => undefined;
  private isAsking = false;

  constructor(
    @Inject(OWNERSHIP) private readonly ownership: Ownership,
    @Inject(PRESENCE_STORE) private readonly store: Pick<PresenceStore, 'usersOfSlot'>,
    @Inject(LOCAL_DEVICES) private readonly local: Pick<LocalDevices, 'connectedDevices' | 'settled'>,
    private readonly devices: DevicePresences,
    private readonly changes: PresenceChanges,
    private readonly connections: ConnectionPresence,
    private readonly timers: DeviceTimers,
    private readonly background: BackgroundTasks,
    @Inject(SCHEDULER) private readonly scheduler: Scheduler,
    @Inject(PRESENCE_GRACE_MS) private readonly graceMs: number,
  ) {}

  onModuleInit(): void {
    this.endListening = this.ownership.onChange((change) => this.changed(change));
  }

  onModuleDestroy(): void {
    this.endListening();
    this.arriving.clear();
    for (const cancel of this.cancels) cancel();
  }

  private changed({ gained, lost }: OwnershipChange): void {
    for (const slot of lost) this.arriving.delete(slot);
    if (lost.size > 0) {
      this.changes.forget(lost);
      this.timers.forget(lost);
      this.devices.forget(lost);
    }
    for (const slot of gained) this.arriving.add(slot);
    this.ask();
  }

  /** Looks at the users of the slots that arrived, as long as there are some. */
  private ask(): void {
    if (this.isAsking || this.arriving.size === 0) return;
    this.isAsking = true;
    void this.background
      .attempt('taking over the presence of users', () => this.takeOverAll())
      .then(() => {
        this.isAsking = false;
        // A store that is out of reach leaves some behind, and a supernode that may not act for a moment.
        if (this.arriving.size > 0) this.later(ASK_AGAIN_MS, () => this.ask());
      });
  }

  private async takeOverAll(): Promise<void> {
    while (this.arriving.size > 0) {
      const slots = [...this.arriving].slice(0, AT_ONCE);
      const users = (await Promise.all(slots.map((slot) => this.store.usersOfSlot(slot)))).flat();
      for (let at = 0; at < users.length; at += AT_ONCE) {
        const taken = await Promise.all(users.slice(at, at + AT_ONCE).map((user) => this.takeOver(user)));
        if (taken.includes(false)) return;
      }
      for (const slot of slots) this.arriving.delete(slot);
      this.later(this.graceMs, () => this.reassert(users));
    }
  }

  /** False where this supernode may not act now: because the slot went on, or for a moment, after which nobody else will do it. */
  private async takeOver({ tenant, userId }: StoredUser): Promise<boolean> {
    if (!this.ownership.tenureOf(tenant, userId)) return false;
    // From now on it is this supernode that gives them up, before everybody who watches connections.
    await this.local.settled(tenant, userId);
    const stored = await this.devices.of(tenant, userId);
    for (const { device } of stored) {
      // In its turn, and by what is stored then: it may be back before that.
      const isBack = (): boolean => this.local.connectedDevices(tenant, userId).includes(device.deviceId);
      await this.connections.leftBehind(device, isBack);
    }
    return true;
  }

  /** Bit by bit: where all is well, nothing that watchers hear is news. */
  private reassert(users: readonly StoredUser[]): void {
    const now = users.slice(0, REASSERTED_AT_ONCE);
    for (const user of now) {
      if (!this.ownership.tenureOf(user.tenant, user.userId)) continue;
      void this.background.attempt('telling watchers anew', () => this.changes.reassert(user));
    }
    const rest = users.slice(now.length);
    if (rest.length > 0) this.later(REASSERT_PAUSE_MS, () => this.reassert(rest));
  }

  private later(milliseconds: number, task: () => void): void {
    const cancel = this.scheduler.after(milliseconds, () => {
      this.cancels.delete(cancel);
      task();
    });
    this.cancels.add(cancel);
  }
}
