import { Inject, Injectable } from '@nestjs/common';
import type { RequestOf, ResponseOf } from '@parley/protocol';
import { PaddedRefusals } from '../clock/padded-refusals.ts';
import { Refusal } from '../refusal.ts';
import { AccountAccess } from './account-access.ts';
import { AccountService } from './account.service.ts';
import { ACCOUNT_STORE, type Account, type AccountStore } from './accounts.port.ts';
import type { ConnectionContext, UserAddress } from './connection-context.ts';
import { DeviceLists } from './device-lists.ts';
import { DeviceProofs } from './device-proof.ts';
import { TokenIssuer } from './token-issuer.ts';

/** A new device takes an account over with the recovery key that the newest device list names. */
@Injectable()
export class RecoveryService {
  constructor(
    private readonly proofs: DeviceProofs,
    private readonly access: AccountAccess,
    private readonly account: AccountService,
    private readonly deviceLists: DeviceLists,
    private readonly issuer: TokenIssuer,
    @Inject(ACCOUNT_STORE) private readonly accounts: AccountStore,
    private readonly padded: PaddedRefusals,
  ) {}

  async recover(
    connection: ConnectionContext,
    request: RequestOf<'account.recover'>,
  ): Promise<ResponseOf<'account.recover'>> {
    const device = this.proofs.verify(connection, request.proof, 'recover', '');
    const user = { tenant: device.tenant, userId: request.userId };
    await this.access.tenant(device.tenant);
    const account = await this.accountOfKey(user, request.deviceList.signer);
    if (account.status !== 'active') throw new Refusal('FORBIDDEN', 'The account is closed.');
    const next = await this.deviceLists.commitNext(request.deviceList, account, ({ signedBy, deviceIds }) => {
      if (signedBy !== 'recovery') throw new Refusal('RECOVERY_REFUSED');
      if (!deviceIds.has(device.deviceId))
        throw new Refusal('DEVICE_LIST_INVALID', 'The list lacks this device.');
    });
    return { ...(await this.issuer.issue(user, device)), deviceListVersion: next.list.version };
  }

  /** The chain of an account, for who proves to hold its recovery key: the proof is signed by that key. */
  async lists(
    connection: ConnectionContext,
    request: RequestOf<'account.recovery-lists'>,
  ): Promise<ResponseOf<'account.recovery-lists'>> {
    const holder = this.proofs.verify(connection, request.proof, 'recover', '');
    const user = { tenant: holder.tenant, userId: request.userId };
    await this.accountOfKey(user, holder.deviceKey);
    return this.account.listsOf(user, request.sinceVersion);
  }

  /** Absent accounts are refused like wrong keys: neither the answer nor its time tells which user ids exist. */
  private accountOfKey(user: UserAddress, recoveryKey: string): Promise<Account> {
    return this.padded.foundOrRefused('RECOVERY_REFUSED', async () => {
      const account = await this.accounts.find(user);
      return account?.latest?.list.recoveryKey === recoveryKey ? account : undefined;
    });
  }
}
