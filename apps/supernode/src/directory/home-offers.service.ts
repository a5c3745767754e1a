import { Inject, Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { LIMITS } from '@parley/protocol';
import { BackgroundTasks } from '../background-tasks.ts';
import { CLOCK, type Clock } from '../clock/clock.port.ts';
import { SCHEDULER, type Scheduler } from '../clock/scheduler.port.ts';
import { SupernodeError } from '../errors.ts';
import { deviceKey, type DeviceAddress } from '../identity/caller.ts';
import { isStoreUnavailable } from '../persistence/store-unavailable.ts';
import { SHARED_STATE, type SharedState } from '../redis/redis.module.ts';
import { SerialByKey } from '../serial-by-key.ts';
import { RESOURCE_INDEX, type ResourceIndex, type ResourceName } from './resource-index.port.ts';

/** Devices whose resources are announced again at a time. */
const AT_ONCE = 32;
const TRY_AGAIN_MS = 1000;

interface Offer {
  readonly name: ResourceName;
  readonly attributes: Readonly<Record<string, string>>;
  /** By the monotonic clock. */
  readonly endsAt: number;
}

/** What one device that is here offers, by the resource. */
interface OwnOffers {
  readonly device: DeviceAddress;
  readonly offers: Map<string, Offer>;
}

/**
 * What the devices of this supernode offer, where the index is shared: one that comes back empty gets it again, and hears who went
 * while it was away. Devices announce anew only when half of the time that they asked for is over, which may be hours. Bounded by the
 * devices here times their limit.
 */
@Injectable()
export class HomeOffers implements OnModuleInit, OnModuleDestroy {
  private readonly own = new Map<string, OwnOffers>();
  /** Devices of which the index does not have what it should: it lost it, or could not be told. */
  private readonly lost = new Set<string>();
  /** Those of them that are gone; bounded by the devices that went during one outage. */
  private readonly gone = new Map<string, DeviceAddress>();
  private readonly serial = new SerialByKey();
  private isRestoring = false;
  private isClosed = false;
  private cancelRestoring: (() => void) | undefined;

  constructor(
    @Inject(RESOURCE_INDEX) private readonly index: ResourceIndex,
    @Inject(SHARED_STATE) private readonly shared: SharedState | null,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(SCHEDULER) private readonly scheduler: Scheduler,
    private readonly background: BackgroundTasks,
  ) {}

  onModuleInit(): void {
    this.shared?.connection.onEmptied(() => {
      for (const key of this.own.keys()) this.lost.add(key);
      this.restore();
    });
  }

  onModuleDestroy(): void {
    this.isClosed = true;
    this.cancelRestoring?.();
  }

  /** False when the device is at its limit. */
  announce(
    name: ResourceName,
    device: DeviceAddress,
    attributes: Readonly<Record<string, string>>,
    ttlMs: number,
  ): Promise<boolean> {
    return this.serial.run(deviceKey(device), async () => {
      await this.endGone(deviceKey(device));
      const endsAt = this.clock.monotonic() + ttlMs;
      const holder = { device, attributes, ttlMs };
      const isWithin = await this.index.announce(name, holder, LIMITS.maxResourcesPerDevice);
      if (isWithin) this.keep(device, { name, attributes, endsAt });
      return isWithin;
    });
  }

  async withdraw(name: ResourceName, device: DeviceAddress): Promise<void> {
    await this.serial.run(deviceKey(device), async () => {
      this.own.get(deviceKey(device))?.offers.delete(nameKey(name));
      await this.index.withdraw(name, device);
    });
  }

  async withdrawAll(device: DeviceAddress): Promise<void> {
    const key = deviceKey(device);
    await this.serial.run(key, async () => {
      this.forget(device);
      try {
        await this.index.withdrawAll(device);
      } catch (error) {
        if (!this.shared || !isStoreUnavailable(error)) throw error;
        this.gone.set(key, device);
        this.lost.add(key);
        this.restoreLater();
      }
    });
  }

  /** A device came back, perhaps from another home. */
  async resumed(device: DeviceAddress): Promise<void> {
    const key = deviceKey(device);
    if (!this.shared) return;
    await this.background.attempt('reading what a device offers', () =>
      this.serial.run(key, async () => {
        if (this.own.has(key)) return;
        const now = this.clock.monotonic();
        for (const { name, attributes, ttlMs } of await this.index.offersOf(device)) {
          this.keep(device, { name, attributes, endsAt: now + ttlMs });
        }
      }),
    );
  }

  /** Another supernode is its home from now on. */
  async moved(device: DeviceAddress): Promise<void> {
    await this.serial.run(deviceKey(device), () => {
      this.forget(device);
      return Promise.resolve();
    });
  }

  private keep({ tenant, userId, deviceId }: DeviceAddress, offer: Offer): void {
    if (!this.shared) return;
    const device = { tenant, userId, deviceId };
    const { offers } = this.own.get(deviceKey(device)) ?? { offers: new Map<string, Offer>() };
    const now = this.clock.monotonic();
    for (const [key, { endsAt }] of offers) if (endsAt <= now) offers.delete(key);
    offers.set(nameKey(offer.name), offer);
    this.own.set(deviceKey(device), { device, offers });
  }

  private forget(device: DeviceAddress): void {
    this.own.delete(deviceKey(device));
    this.lost.delete(deviceKey(device));
    this.gone.delete(deviceKey(device));
  }

  /** Until the index has got all of it. */
  private restore(): void {
    if (this.isRestoring) return;
    this.isRestoring = true;
    void this.restoreLost().then(() => {
      this.isRestoring = false;
      this.restoreLater();
    });
  }

  private restoreLater(): void {
    this.cancelRestoring?.();
    if (this.lost.size === 0 || this.isClosed) return;
    this.cancelRestoring = this.scheduler.after(TRY_AGAIN_MS, () => this.restore());
  }

  private async restoreLost(): Promise<void> {
    const keys = [...this.lost];
    const store = { isAway: false };
    for (let at = 0; at < keys.length && !this.isClosed && !store.isAway; at += AT_ONCE) {
      const restored = keys.slice(at, at + AT_ONCE).map((key) =>
        this.background.attempt('announcing the resources of a device again', () =>
          this.serial.run(key, async () => {
            if ((await this.announceAgain(key)) === 'away') store.isAway = true;
          }),
        ),
      );
      await Promise.all(restored);
    }
  }

  /** What is left to do stays in `lost`. */
  private async announceAgain(key: string): Promise<'away' | undefined> {
    try {
      await this.endGone(key);
      const own = this.own.get(key);
      if (own) await this.announceAll(own);
    } catch (error) {
      if (isStoreUnavailable(error)) return 'away';
      // This supernode may not act for a moment, after which its devices are still here: whoever has another home is forgotten.
      const mayNotAct = error instanceof SupernodeError && error.code === 'SN_NOT_OWNER';
      if (mayNotAct && this.own.has(key)) return undefined;
      this.lost.delete(key);
      this.gone.delete(key);
      throw error;
    }
    this.lost.delete(key);
    return undefined;
  }

  /** What it offered before goes first. */
  private async endGone(key: string): Promise<void> {
    const device = this.gone.get(key);
    if (!device) return;
    await this.index.withdrawAll(device);
    this.gone.delete(key);
  }

  private async announceAll({ device, offers }: OwnOffers): Promise<void> {
    for (const { name, attributes, endsAt } of offers.values()) {
      const ttlMs = Math.ceil(endsAt - this.clock.monotonic());
      if (ttlMs <= 0) continue;
      await this.index.announce(name, { device, attributes, ttlMs }, LIMITS.maxResourcesPerDevice);
    }
  }
}

function nameKey({ kind, key }: ResourceName): string {
  return `${kind} ${key}`;
}
