import { Injectable } from '@nestjs/common';
import { LIMITS, type RequestOf, type ResponseOf } from '@parley/protocol';
import { Refusal } from '../refusal.ts';
import { AccountAccess } from './account-access.ts';
import { AccountService } from './account.service.ts';
import type { Caller } from './caller.ts';
import type { ConnectionContext } from './connection-context.ts';
import { DeviceLists, isRepeated } from './device-lists.ts';
import { DeviceProofs } from './device-proof.ts';
import { TokenIssuer } from './token-issuer.ts';
import { WaitingDevices } from './waiting-devices.ts';

/** Links a new device: it waits on its own connection, a device of the account adds it (DESIGN 6.2). */
@Injectable()
export class LinkingService {
  constructor(
    private readonly proofs: DeviceProofs,
    private readonly access: AccountAccess,
    private readonly account: AccountService,
    private readonly lists: DeviceLists,
    private readonly issuer: TokenIssuer,
    private readonly waiting: WaitingDevices,
  ) {}

  async open(
    connection: ConnectionContext,
    request: RequestOf<'link.open'>,
  ): Promise<ResponseOf<'link.open'>> {
    const device = this.proofs.verify(connection, request.proof, 'link', '');
    await this.access.tenant(device.tenant);
    this.waiting.add(device, connection);
    return { expiresInMs: LIMITS.linkLifetimeMs };
  }

  async approve(caller: Caller, request: RequestOf<'link.approve'>): Promise<ResponseOf<'link.approve'>> {
    const account = await this.account.linkedAccount(caller);
    const found = this.waiting.find(caller.tenant, request.deviceId);
    if (!found) throw new Refusal('LINK_UNKNOWN');
    const list = isRepeated(request.deviceList, account.latest)
      ? account.latest
      : await this.lists.commitNext(request.deviceList, account, ({ deviceIds }) => {
          if (!deviceIds.has(request.deviceId)) {
            throw new Refusal('DEVICE_LIST_INVALID', 'The list lacks the device that waits.');
          }
        });
    if (!list.deviceIds.has(request.deviceId)) throw new Refusal('DEVICE_LIST_INVALID');
    const { token } = await this.issuer.issue(caller, found.device);
    // The newest ones where the chain is longer than an answer: the device reads the rest when it has signed in.
    const since = Math.max(0, list.list.version - LIMITS.maxDeviceListsPerAnswer);
    const { lists } = await this.account.listsOf(caller, since);
    found.connection.send('link.approved', {
      tenant: caller.tenant,
      userId: caller.userId,
      handle: account.handle,
      token,
      lists,
      confirmation: request.confirmation,
    });
    this.waiting.remove(caller.tenant, request.deviceId);
    return { deviceListVersion: list.list.version };
  }
}
