import { Inject, Injectable } from '@nestjs/common';
import type { TenantId } from '@parley/protocol';
import { Refusal } from '../refusal.ts';
import { ACCOUNT_STORE, type Account, type AccountStore } from './accounts.port.ts';
import type { DeviceAddress } from './caller.ts';
import { TENANT_STORE, type Tenant, type TenantStore } from './tenants.port.ts';

/** An account that may be used, and where the device stands in it. */
export interface AccountEntry {
  readonly account: Account;
  /** Whether the newest device list names the device. */
  readonly linked: boolean;
}

/** The questions that every way in asks: is there such a tenant, may the user and the device come in? */
@Injectable()
export class AccountAccess {
  constructor(
    @Inject(TENANT_STORE) private readonly tenants: TenantStore,
    @Inject(ACCOUNT_STORE) private readonly accounts: AccountStore,
  ) {}

  /** @throws Refusal TENANT_UNKNOWN */
  async tenant(id: TenantId): Promise<Tenant> {
    const tenant = await this.tenants.find(id);
    if (!tenant) throw new Refusal('TENANT_UNKNOWN');
    return tenant;
  }

  /**
   * Undefined when there is no such account.
   *
   * @throws Refusal FORBIDDEN for an account that an operator closed, DEVICE_REMOVED for a device that was removed
   */
  async enter(device: DeviceAddress): Promise<AccountEntry | undefined> {
    const account = await this.accounts.find(device);
    if (!account) return undefined;
    if (account.status !== 'active') throw new Refusal('FORBIDDEN', 'The account is closed.');
    const linked = account.latest?.deviceIds.has(device.deviceId) ?? false;
    if (!linked && account.removedDevices.has(device.deviceId)) throw new Refusal('DEVICE_REMOVED');
    return { account, linked };
  }

  /** As {@link enter}, where the app's own backend vouches for the user: one who is new gets an account without devices. */
  async enterOrCreate(device: DeviceAddress): Promise<AccountEntry> {
    const entry = await this.enter(device);
    if (entry) return entry;
    await this.accounts.ensureUser(device);
    const { tenant, userId } = device;
    const account: Account = {
      tenant,
      userId,
      handle: null,
      status: 'active',
      latest: undefined,
      removedDevices: new Set(),
    };
    return { account, linked: false };
  }
}
