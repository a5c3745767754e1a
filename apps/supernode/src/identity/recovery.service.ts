import { Inject, Injectable } from '@nestjs/common';
import type { RequestOf, ResponseOf, Signed } from '@parley/protocol';
import { PaddedRefusals } from '../clock/padded-refusals.ts';
import { Refusal } from '../refusal.ts';
import { AccountAccess } from './account-access.ts';
import { AccountService } from './account.service.ts';
import { ACCOUNT_STORE, type Account, type AccountStore } from './accounts.port.ts';
import type { ConnectionContext, UserAddress } from './connection-context.ts';
import { readStoredList, type KnownDeviceList } from './device-list-chain.ts';
import { DeviceLists, isRepeated } from './device-lists.ts';
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
    const { account, repeated } = await this.padded.foundOrRefused('RECOVERY_REFUSED', () =>
      this.accountToRecover(user, request.deviceList),
    );
    if (account.status !== 'active') throw new Refusal('FORBIDDEN', 'The account is closed.');
    const admit = ({ deviceIds }: KnownDeviceList): void => {
      if (!deviceIds.has(device.deviceId))
        throw new Refusal('DEVICE_LIST_INVALID', 'The list lacks this device.');
    };
    if (repeated) admit(repeated);
    const next =
      repeated ??
      (await this.deviceLists.commitNext(request.deviceList, account, (list) => {
        if (list.signedBy !== 'recovery') throw new Refusal('RECOVERY_REFUSED');
        admit(list);
      }));
    return { ...(await this.issuer.issue(user, device)), deviceListVersion: next.list.version };
  }

  /** The chain of an account, for who proves to hold its recovery key: the proof is signed by that key. */
  async lists(
    connection: ConnectionContext,
    request: RequestOf<'account.recovery-lists'>,
  ): Promise<ResponseOf<'account.recovery-lists'>> {
    const holder = this.proofs.verify(connection, request.proof, 'recover', '');
    const user = { tenant: holder.tenant, userId: request.userId };
    await this.padded.foundOrRefused('RECOVERY_REFUSED', () => this.accountOfKey(user, holder.deviceKey));
    return this.account.listsOf(user, request.sinceVersion);
  }

  /** Absent accounts are refused like wrong keys: neither the answer nor its time tells which user ids exist. */
  private async accountOfKey(user: UserAddress, recoveryKey: string): Promise<Account | undefined> {
    const account = await this.accounts.find(user);
    return account?.latest?.list.recoveryKey === recoveryKey ? account : undefined;
  }

  /** The account whose recovery key signed the list; `repeated` when that list is committed and the answer may have been lost. */
  private async accountToRecover(
    user: UserAddress,
    signed: Signed,
  ): Promise<{ account: Account; repeated: KnownDeviceList | undefined } | undefined> {
    const account = await this.accounts.find(user);
    const latest = account?.latest;
    if (!latest) return undefined;
    if (await this.isRecoveryBy(signed, user, latest)) return { account, repeated: latest };
    return latest.list.recoveryKey === signed.signer ? { account, repeated: undefined } : undefined;
  }

  /** Whether the newest list is this one, signed by the recovery key of the list before it, which it may have replaced. */
  private async isRecoveryBy(signed: Signed, user: UserAddress, latest: KnownDeviceList): Promise<boolean> {
    const isNewest = isRepeated(signed, latest) && signed.signer === latest.signed.signer;
    if (!isNewest || latest.list.version < 2) return false;
    const [stored] = (await this.accounts.listsAfter(user, latest.list.version - 2, 1)) ?? [];
    return stored !== undefined && readStoredList(stored)?.list.recoveryKey === signed.signer;
  }
}
