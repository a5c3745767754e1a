import { Inject, Injectable } from '@nestjs/common';
import { LIMITS, type RequestOf, type ResponseOf } from '@parley/protocol';
import { Refusal } from '../refusal.ts';
import { AccountAccess } from './account-access.ts';
import { ACCOUNT_STORE, type Account, type AccountStore } from './accounts.port.ts';
import type { Caller } from './caller.ts';
import type { UserAddress } from './connection-context.ts';
import { DeviceLists, isRepeated } from './device-lists.ts';

/** The account of a signed-in user and its device lists (DESIGN 6.2). */
@Injectable()
export class AccountService {
  constructor(
    private readonly access: AccountAccess,
    private readonly lists: DeviceLists,
    @Inject(ACCOUNT_STORE) private readonly accounts: AccountStore,
  ) {}

  async create(caller: Caller, request: RequestOf<'account.create'>): Promise<ResponseOf<'account.create'>> {
    const first = this.lists.verifyFirst(request.deviceList, caller, caller.deviceId);
    await this.lists.commitFirst(first, { handle: request.handle, displayName: request.displayName });
    return { deviceListVersion: first.list.version };
  }

  async devices(
    caller: Caller,
    request: RequestOf<'account.devices'>,
  ): Promise<ResponseOf<'account.devices'>> {
    return this.listsOf({ tenant: caller.tenant, userId: request.userId }, request.sinceVersion);
  }

  /** @throws Refusal NOT_FOUND */
  async listsOf(user: UserAddress, sinceVersion: number): Promise<ResponseOf<'account.devices'>> {
    // One more than fits tells whether there are more.
    const lists = await this.accounts.listsAfter(user, sinceVersion, LIMITS.maxDeviceListsPerAnswer + 1);
    if (!lists) throw new Refusal('NOT_FOUND');
    const complete = lists.length <= LIMITS.maxDeviceListsPerAnswer;
    return { lists: lists.slice(0, LIMITS.maxDeviceListsPerAnswer), complete };
  }

  async updateDevices(
    caller: Caller,
    request: RequestOf<'account.update-devices'>,
  ): Promise<ResponseOf<'account.update-devices'>> {
    const account = await this.linkedAccount(caller);
    if (isRepeated(request.deviceList, account.latest))
      return { deviceListVersion: account.latest.list.version };
    const next = await this.lists.commitNext(request.deviceList, account, () => undefined);
    return { deviceListVersion: next.list.version };
  }

  /**
   * The account of a device that is in its list at this moment, whatever the connection was told at sign-in.
   *
   * @throws Refusal DEVICE_NOT_LINKED
   */
  async linkedAccount(caller: Caller): Promise<Account> {
    const entry = await this.access.enter(caller);
    if (!entry?.linked) throw new Refusal('DEVICE_NOT_LINKED');
    return entry.account;
  }
}
