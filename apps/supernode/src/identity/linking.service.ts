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
import { WaitingRoom } from './waiting-room.ts';

/** Links a new device: it waits on its own connection, a device of the account adds it (DESIGN 6.2). */
@Injectable()
export class LinkingService {
  constructor(
    private readonly proofs: DeviceProofs,
    private readonly access: AccountAccess,
    private readonly account: AccountService,
    private readonly lists: DeviceLists,
    private readonly issuer: TokenIssuer,
    private readonly waiting: WaitingRoom,
  ) {}

  async open(
    connection: ConnectionContext,
    request: RequestOf<'link.open'>,
  ): Promise<ResponseOf<'link.open'>> {
    const device = this.proofs.verify(connection, request.proof, 'link', '');
    await this.access.tenant(device.tenant);
    await this.waiting.enter(device, connection);
    return { expiresInMs: LIMITS.linkLifetimeMs };
  }

  async approve(caller: Caller, request: RequestOf<'link.approve'>): Promise<ResponseOf<'link.approve'>> {
    const account = await this.account.linkedAccount(caller);
    if (!(await this.waiting.has(caller.tenant, request.deviceId))) throw new Refusal('LINK_UNKNOWN');
    const list = isRepeated(request.deviceList, account.latest)
      ? account.latest
      : await this.lists.commitNext(request.deviceList, account, ({ deviceIds }) => {
          if (!deviceIds.has(request.deviceId)) {
            throw new Refusal('DEVICE_LIST_INVALID', 'The list lacks the device that waits.');
          }
        });
    if (!list.deviceIds.has(request.deviceId)) throw new Refusal('DEVICE_LIST_INVALID');
    const { token } = await this.issuer.issue(caller, { deviceId: request.deviceId });
    // The newest ones where the chain is longer than an answer: the device reads the rest when it has signed in.
    const since = Math.max(0, list.list.version - LIMITS.maxDeviceListsPerAnswer);
    const { lists } = await this.account.listsOf(caller, since);
    const isTold = await this.waiting.letIn(caller.tenant, request.deviceId, {
      tenant: caller.tenant,
      userId: caller.userId,
      handle: account.handle,
      token,
      lists,
      confirmation: request.confirmation,
    });
    // It is on the list by now: asked again, the answer is the same, and the device is told when it waits again.
    if (!isTold) throw new Refusal('LINK_UNKNOWN');
    return { deviceListVersion: list.list.version };
  }
}
