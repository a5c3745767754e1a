import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { LIMITS, type RequestOf, type ResponseOf, type TenantId, type UserId } from '@parley/protocol';
import { BackgroundTasks } from '../background-tasks.ts';
import { CLOCK, type Clock } from '../clock/clock.port.ts';
import { SCHEDULER, type Scheduler } from '../clock/scheduler.port.ts';
import { ContactsService } from '../contacts/contacts.service.ts';
import { deviceKey, userKey, type Caller } from '../identity/caller.ts';
import { Refusal } from '../refusal.ts';
import { PRESENCE_PROFILES, type PresenceProfiles } from './presence-profile.port.ts';
import { PresencePublisher } from './presence-publisher.service.ts';
import {
  PRESENCE_STORE,
  WATCH_STORE,
  type DevicePresence,
  type PresenceStore,
  type WatchStore,
} from './presence-store.port.ts';
import { PresenceViews } from './presence-views.service.ts';
import { SerialByKey } from '../serial-by-key.ts';

/** What devices ask of presence: set their own, watch others'. */
@Injectable()
export class PresenceService implements OnModuleInit {
  /** One timer per device whose state was set for a limited time. */
  private readonly expiries = new Map<string, () => void>();

  constructor(
    @Inject(PRESENCE_STORE) private readonly store: PresenceStore,
    @Inject(WATCH_STORE) private readonly watches: WatchStore,
    @Inject(PRESENCE_PROFILES) private readonly profiles: PresenceProfiles,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(SCHEDULER) private readonly scheduler: Scheduler,
    private readonly views: PresenceViews,
    private readonly publisher: PresencePublisher,
    private readonly serial: SerialByKey,
    private readonly contacts: ContactsService,
    private readonly background: BackgroundTasks,
  ) {}

  onModuleInit(): void {
    this.contacts.onRelationChanged((tenant, a, b) => {
      void this.refresh(tenant, a, b);
      void this.refresh(tenant, b, a);
    });
  }

  async set(caller: Caller, request: RequestOf<'presence.set'>): Promise<ResponseOf<'presence.set'>> {
    const { tenant, userId } = caller;
    await this.serial.run(userKey(tenant, userId), async () => {
      this.forgetExpiry(caller);
      const statusText = request.statusText ?? null;
      const isLasting = request.expiresInMs === undefined || request.state === 'invisible';
      if (isLasting) await this.profiles.saveChoice(tenant, userId, request.state, statusText);
      await this.change(caller, request.state, statusText);
      if (request.state !== 'invisible') await this.unhideOthers(caller);
      if (request.expiresInMs !== undefined) this.expireLater(caller, request.expiresInMs);
      await this.publisher.publish(tenant, userId, 'explicit', caller.deviceId);
    });
    const [own] = await this.views.of(caller, [userId]);
    if (!own) throw new Refusal('INTERNAL');
    return own;
  }

  async subscribe(
    caller: Caller,
    request: RequestOf<'presence.subscribe'>,
  ): Promise<ResponseOf<'presence.subscribe'>> {
    const userIds = [...new Set(request.userIds)];
    const added = await this.watches.watch(caller, userIds, LIMITS.maxSubscriptionsPerDevice);
    if (!added) throw new Refusal('LIMIT_EXCEEDED', 'This device watches too many users.');
    return { presence: await this.views.of(caller, userIds) };
  }

  async unsubscribe(
    caller: Caller,
    request: RequestOf<'presence.unsubscribe'>,
  ): Promise<ResponseOf<'presence.unsubscribe'>> {
    await this.watches.unwatch(caller, request.userIds);
    return {};
  }

  forgetExpiry(device: Parameters<typeof deviceKey>[0]): void {
    const key = deviceKey(device);
    this.expiries.get(key)?.();
    this.expiries.delete(key);
  }

  private async change(
    caller: Caller,
    state: DevicePresence['state'],
    statusText: string | null,
  ): Promise<void> {
    const { tenant, userId, deviceId } = caller;
    const stored = (await this.store.devicesOf(tenant, userId)).find(
      ({ device }) => device.deviceId === deviceId,
    );
    if (!stored) throw new Refusal('CONFLICT', 'The device is not signed in any more.');
    await this.put(stored, state, statusText);
  }

  /** Being visible is the choice of the user, not of one device: it ends the hiding of the others. */
  private async unhideOthers(caller: Caller): Promise<void> {
    for (const stored of await this.store.devicesOf(caller.tenant, caller.userId)) {
      if (stored.state === 'invisible') await this.put(stored, 'online', stored.statusText);
    }
  }

  private async put(
    stored: DevicePresence,
    state: DevicePresence['state'],
    statusText: string | null,
  ): Promise<void> {
    const now = this.clock.now();
    const { tenant, userId, deviceId } = stored.device;
    const device = { tenant, userId, deviceId };
    await this.store.put({
      ...stored,
      device,
      state,
      statusText,
      setAt: now,
      asOf: now,
      version: this.views.nextVersion(),
    });
  }

  private expireLater(caller: Caller, milliseconds: number): void {
    const cancel = this.scheduler.after(milliseconds, () => {
      this.expiries.delete(deviceKey(caller));
      void this.background.attempt('ending a limited presence', () => this.expire(caller));
    });
    this.expiries.set(deviceKey(caller), cancel);
  }

  private async expire({ tenant, userId, deviceId }: Caller): Promise<void> {
    await this.serial.run(userKey(tenant, userId), async () => {
      const stored = (await this.store.devicesOf(tenant, userId)).find(
        ({ device }) => device.deviceId === deviceId,
      );
      if (!stored) return;
      await this.put(stored, 'online', null);
      await this.publisher.publish(tenant, userId, 'expiry', deviceId);
    });
  }

  private async refresh(tenant: TenantId, userId: UserId, watcher: UserId): Promise<void> {
    await this.background.attempt('telling a changed relation', () =>
      this.serial.run(userKey(tenant, userId), () => this.publisher.refresh(tenant, userId, watcher)),
    );
  }
}
