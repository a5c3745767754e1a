import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import type { DeviceId, TenantId, UserId } from '@parley/protocol';
import { BackgroundTasks } from '../background-tasks.ts';
import { CLOCK, type Clock } from '../clock/clock.port.ts';
import { SCHEDULER, type Scheduler } from '../clock/scheduler.port.ts';
import { OWNERSHIP, type Ownership, type Tenure } from '../cluster/ownership.port.ts';
import { requiredTenure } from '../cluster/required-tenure.ts';
import type { Slot } from '../cluster/slot.ts';
import { userKey, type DeviceAddress } from '../identity/caller.ts';
import { isStoreUnavailable } from '../persistence/store-unavailable.ts';
import {
  PRESENCE_STORE,
  type DevicePresence,
  type PresenceStore,
  type PresenceVersion,
  type StoredUser,
  type UserPresence,
} from './presence-store.port.ts';

/** When and in which order something was said of a user. */
export interface PresenceStamp {
  readonly version: PresenceVersion;
  readonly asOf: number;
}

/** A user whose home this supernode is. */
interface OwnUser extends StoredUser {
  readonly tenure: Tenure;
  readonly devices: Map<DeviceId, DevicePresence>;
  /** Devices whose last change is not in the store, which is out of reach. */
  readonly unsaved: Set<DeviceId>;
}

const SAVE_AGAIN_MS = 1000;

/**
 * The presence of devices. Nobody but the home of a user writes it: so the home knows what is stored, goes on without the store
 * while that is out of reach, and brings it up to date afterwards. Bounded by the devices that are signed in here.
 */
@Injectable()
export class DevicePresences implements OnModuleDestroy {
  private readonly own = new Map<string, OwnUser>();
  private cancelSaving: (() => void) | undefined;
  /** The highest counter that the store gave, and when: it counts on while the store is away. */
  private newest = { counter: 0, at: 0 };

  constructor(
    @Inject(PRESENCE_STORE) private readonly store: PresenceStore,
    @Inject(OWNERSHIP) private readonly ownership: Pick<Ownership, 'tenureOf'>,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(SCHEDULER) private readonly scheduler: Scheduler,
    private readonly background: BackgroundTasks,
  ) {}

  onModuleDestroy(): void {
    this.cancelSaving?.();
  }

  now(): number {
    return this.clock.now();
  }

  /** What is known of a user, and the stamp of a view made of it. */
  async read(tenant: TenantId, userId: UserId): Promise<UserPresence & PresenceStamp> {
    const own = this.ownUser(tenant, userId);
    const asOf = this.clock.now();
    try {
      const stored = await this.store.read(tenant, userId);
      const { counter } = stored.version;
      if (counter > this.newest.counter) this.newest = { counter, at: this.clock.monotonic() };
      return { ...stored, ...(own && { devices: [...own.devices.values()] }), asOf };
    } catch (error) {
      const tenure = this.ownership.tenureOf(tenant, userId);
      if (!tenure || !isStoreUnavailable(error)) throw error;
      return { devices: own ? [...own.devices.values()] : [], version: this.ownVersion(tenure), asOf };
    }
  }

  async of(tenant: TenantId, userId: UserId): Promise<readonly DevicePresence[]> {
    const own = this.ownUser(tenant, userId);
    if (own) return [...own.devices.values()];
    try {
      return await this.store.devicesOf(tenant, userId);
    } catch (error) {
      // Of a user of this home who has no device here. An error would tell who hides from who is not there.
      if (!this.ownership.tenureOf(tenant, userId) || !isStoreUnavailable(error)) throw error;
      return [];
    }
  }

  async find({ tenant, userId, deviceId }: DeviceAddress): Promise<DevicePresence | undefined> {
    return (await this.of(tenant, userId)).find(({ device }) => device.deviceId === deviceId);
  }

  /** @throws SupernodeError SN_NOT_OWNER */
  async write({ device, ...presence }: Omit<DevicePresence, 'asOf'>): Promise<void> {
    const { tenant, userId, deviceId } = device;
    const user = await this.adopt(tenant, userId);
    const stored = { ...presence, device: { tenant, userId, deviceId }, asOf: this.clock.now() };
    user.devices.set(deviceId, stored);
    await this.save(user, deviceId, () => this.store.put(stored));
  }

  /** Writes what the user chose on this device, until `endsAt` or for good. */
  async choose(
    { endsAt: _earlier, ...presence }: DevicePresence,
    state: DevicePresence['state'],
    statusText: string | null,
    endsAt?: number,
  ): Promise<void> {
    const limit = endsAt === undefined ? {} : { endsAt };
    await this.write({ ...presence, state, statusText, ...limit, setAt: this.clock.now() });
  }

  /** @throws SupernodeError SN_NOT_OWNER */
  async remove({ tenant, userId, deviceId }: DeviceAddress): Promise<void> {
    const user = await this.adopt(tenant, userId);
    user.devices.delete(deviceId);
    await this.save(user, deviceId, () => this.store.remove({ tenant, userId, deviceId }));
    this.forgetEmpty(user);
  }

  /** Users with a device, of whom this supernode is the home and has read what is stored. */
  owned(): readonly StoredUser[] {
    return [...this.own.values()].map(({ tenant, userId }) => ({ tenant, userId }));
  }

  /** Whether this supernode is the user's home and has read what is stored. */
  isOwn(tenant: TenantId, userId: UserId): boolean {
    return this.ownUser(tenant, userId) !== undefined;
  }

  /** The slots have another home, which knows what is stored. */
  forget(slots: ReadonlySet<Slot>): void {
    for (const [key, { tenure }] of this.own) if (slots.has(tenure.slot)) this.own.delete(key);
  }

  /** The store lost what it had. */
  saveAll(): void {
    for (const user of this.own.values())
      for (const deviceId of user.devices.keys()) user.unsaved.add(deviceId);
    this.saveSoon(0);
  }

  /** What this supernode knows of a user by itself; undefined for users of others, or as long as it has not read the store. */
  private ownUser(tenant: TenantId, userId: UserId): OwnUser | undefined {
    const own = this.own.get(userKey(tenant, userId));
    return own && own.tenure.epoch === this.ownership.tenureOf(tenant, userId)?.epoch ? own : undefined;
  }

  private async adopt(tenant: TenantId, userId: UserId): Promise<OwnUser> {
    const tenure = requiredTenure(this.ownership, tenant, userId);
    const known = this.ownUser(tenant, userId);
    if (known) return known;
    const stored = await this.store.devicesOf(tenant, userId);
    const devices = new Map(stored.map((presence) => [presence.device.deviceId, presence]));
    const own: OwnUser = { tenant, userId, tenure, devices, unsaved: new Set() };
    this.own.set(userKey(tenant, userId), own);
    return own;
  }

  private async save(user: OwnUser, deviceId: DeviceId, write: () => Promise<void>): Promise<void> {
    try {
      await write();
      user.unsaved.delete(deviceId);
    } catch (error) {
      if (!isStoreUnavailable(error)) {
        // Whoever is the home now has written, or will write, something else.
        this.own.delete(userKey(user.tenant, user.userId));
        throw error;
      }
      user.unsaved.add(deviceId);
      this.saveSoon(SAVE_AGAIN_MS);
    }
  }

  private saveSoon(milliseconds: number): void {
    this.cancelSaving ??= this.scheduler.after(milliseconds, () => {
      this.cancelSaving = undefined;
      void this.saveMissing();
    });
  }

  /** A user who can't be saved, having another home by now, keeps no other from it. */
  private async saveMissing(): Promise<void> {
    for (const user of [...this.own.values()]) {
      await this.background.attempt('saving presence that the store missed', () => this.saveUser(user));
      // Still away: all of it waits for the next time.
      if (this.cancelSaving) return;
    }
  }

  private async saveUser(user: OwnUser): Promise<void> {
    const { tenant, userId } = user;
    for (const deviceId of [...user.unsaved]) {
      const presence = user.devices.get(deviceId);
      await this.save(user, deviceId, () =>
        presence ? this.store.put(presence) : this.store.remove({ tenant, userId, deviceId }),
      );
      if (user.unsaved.has(deviceId)) return;
    }
    this.forgetEmpty(user);
  }

  private forgetEmpty({ tenant, userId, devices, unsaved }: OwnUser): void {
    if (devices.size === 0 && unsaved.size === 0) this.own.delete(userKey(tenant, userId));
  }

  /** Counters are microseconds of the store's clock, which goes on meanwhile. */
  private ownVersion({ epoch }: Tenure): PresenceVersion {
    const now = this.clock.monotonic();
    const counter = this.newest.counter + Math.round((now - this.newest.at) * 1000) + 1;
    this.newest = { counter, at: now };
    return { epoch, counter };
  }
}
