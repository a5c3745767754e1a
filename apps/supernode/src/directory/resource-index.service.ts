import { Inject, Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { LIMITS, type RequestOf, type ResponseOf } from '@parley/protocol';
import { BackgroundTasks } from '../background-tasks.ts';
import { CLOCK, type Clock } from '../clock/clock.port.ts';
import { SCHEDULER, type Scheduler } from '../clock/scheduler.port.ts';
import type { ConnectionObserver } from '../gateway/connection-observer.port.ts';
import type { Caller, DeviceAddress } from '../identity/caller.ts';
import { PresenceViews } from '../presence/presence-views.service.ts';
import { Refusal } from '../refusal.ts';
import { HomeOffers } from './home-offers.service.ts';
import { RESOURCE_INDEX, type ResourceIndex } from './resource-index.port.ts';

const SWEEP_INTERVAL_MS = 30_000;

/** Who offers what. A holder shows only to those who may see that it is online. */
@Injectable()
export class ResourceIndexService implements ConnectionObserver, OnModuleInit, OnModuleDestroy {
  private cancelSweep: (() => void) | undefined;

  constructor(
    @Inject(RESOURCE_INDEX) private readonly index: ResourceIndex,
    private readonly offers: HomeOffers,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(SCHEDULER) private readonly scheduler: Scheduler,
    private readonly views: PresenceViews,
    private readonly background: BackgroundTasks,
  ) {}

  onModuleInit(): void {
    this.cancelSweep = this.scheduler.after(SWEEP_INTERVAL_MS, () => {
      void this.background.attempt('expiring resources', () => this.index.expire());
      this.onModuleInit();
    });
  }

  onModuleDestroy(): void {
    this.cancelSweep?.();
  }

  async announce(
    caller: Caller,
    request: RequestOf<'resource.announce'>,
  ): Promise<ResponseOf<'resource.announce'>> {
    const { tenant, userId, deviceId } = caller;
    const name = { tenant, kind: request.kind, key: request.key };
    const device = { tenant, userId, deviceId };
    const announced = await this.offers.announce(name, device, request.attributes ?? {}, request.ttlMs);
    if (!announced) throw new Refusal('LIMIT_EXCEEDED', 'This device offers too many resources.');
    return { expiresAt: this.clock.now() + request.ttlMs };
  }

  async withdraw(
    caller: Caller,
    request: RequestOf<'resource.withdraw'>,
  ): Promise<ResponseOf<'resource.withdraw'>> {
    await this.offers.withdraw({ tenant: caller.tenant, kind: request.kind, key: request.key }, caller);
    return {};
  }

  async find(caller: Caller, request: RequestOf<'resource.find'>): Promise<ResponseOf<'resource.find'>> {
    const now = this.clock.now();
    const name = { tenant: caller.tenant, kind: request.kind, key: request.key };
    const holders = await this.index.holders(name);
    const states = await this.views.visibleStates(
      caller,
      holders.map(({ device }) => device.userId),
    );
    const visible = holders
      .filter(
        ({ device }) =>
          device.userId === caller.userId || (states.get(device.userId) ?? 'offline') !== 'offline',
      )
      .slice(0, request.limit ?? LIMITS.maxResourceHolders)
      .map(({ device, attributes, ttlMs }) => ({
        userId: device.userId,
        deviceId: device.deviceId,
        attributes: { ...attributes },
        expiresAt: now + ttlMs,
      }));
    return { holders: visible, asOf: now };
  }

  /** A fresh sign-in announces all anew. */
  deviceReachable(device: DeviceAddress, how: 'signed-in' | 'resumed'): void {
    // Nobody waits for it: it is for a loss that may come.
    if (how === 'resumed') void this.offers.resumed(device);
  }

  async deviceMoved(device: DeviceAddress): Promise<void> {
    await this.offers.moved(device);
  }

  async deviceGone(device: DeviceAddress): Promise<void> {
    await this.offers.withdrawAll(device);
  }
}
