import { Inject, Injectable } from '@nestjs/common';
import { decodeBase64url, type DeviceId, type Signed } from '@parley/protocol';
import { CLOCK, type Clock } from '../clock/clock.port.ts';
import { Refusal } from '../refusal.ts';
import { AccountChanges } from './account-changes.ts';
import {
  ACCOUNT_STORE,
  type Account,
  type AccountDraft,
  type AccountStore,
  type CommitOutcome,
} from './accounts.port.ts';
import { BoundedCounts } from './bounded-counts.ts';
import { userKey } from './caller.ts';
import type { UserAddress } from './connection-context.ts';
import {
  verifyDeviceList,
  type ChainFault,
  type KnownDeviceList,
  type VerifiedDeviceList,
} from './device-list-chain.ts';
import { deviceIdOf } from './digest.ts';

/** Every version is kept for ever, so that their number is bounded: changes of one account in one window. */
const MAX_CHANGES = 60;
const WINDOW_MS = 3600_000;
const MAX_ACCOUNTS = 50_000;

/** Verifies, commits and announces versions of device lists: the one way by which a list is ever written. */
@Injectable()
export class DeviceLists {
  private readonly recent = new BoundedCounts(WINDOW_MS, MAX_ACCOUNTS);

  constructor(
    private readonly changes: AccountChanges,
    @Inject(ACCOUNT_STORE) private readonly accounts: AccountStore,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /**
   * Verifies the first list of a user, made on `device`.
   *
   * @throws Refusal DEVICE_LIST_INVALID
   */
  verifyFirst(signed: Signed, user: UserAddress, device: DeviceId): VerifiedDeviceList {
    const result = verifyDeviceList(signed, user, undefined);
    if (!result.ok) throw invalid(result.fault);
    if (!result.verified.deviceIds.has(device))
      throw new Refusal('DEVICE_LIST_INVALID', 'The list lacks this device.');
    return result.verified;
  }

  /**
   * Commits a first list. The same one again succeeds, because the answer to the first request may have been lost.
   *
   * @throws Refusal ACCOUNT_EXISTS, HANDLE_TAKEN, DEVICE_LIST_INVALID
   */
  async commitFirst(first: VerifiedDeviceList, draft: AccountDraft): Promise<void> {
    const outcome = await this.accounts.create(first, draft);
    if (outcome === 'exists') {
      const [stored] = (await this.accounts.listsAfter(first.list, 0, 1)) ?? [];
      if (stored?.payload === first.signed.payload) return;
    }
    if (outcome !== 'committed') throw refusalOf(outcome);
    const { tenant, userId } = first.list;
    await this.changes.announce({ tenant, userId, version: 1, added: [...first.deviceIds], removed: [] });
  }

  /**
   * Verifies and commits the version after the account's newest. `admit` may refuse what the chain allows.
   *
   * @throws Refusal DEVICE_LIST_CONFLICT, DEVICE_LIST_INVALID, ACCOUNT_REQUIRED, RATE_LIMITED
   */
  async commitNext(
    signed: Signed,
    account: Account,
    admit: (next: VerifiedDeviceList, latest: KnownDeviceList) => void,
  ): Promise<KnownDeviceList> {
    const latest = account.latest;
    if (!latest) throw new Refusal('ACCOUNT_REQUIRED');
    const result = verifyDeviceList(signed, account, latest);
    if (!result.ok)
      throw result.fault === 'overtaken' ? new Refusal('DEVICE_LIST_CONFLICT') : invalid(result.fault);
    const next = result.verified;
    admit(next, latest);
    const count = this.recent.add(userKey(account.tenant, account.userId), this.clock.monotonic());
    if (count > MAX_CHANGES)
      throw new Refusal('RATE_LIMITED', 'The device list changes too often.', WINDOW_MS);
    const outcome = await this.accounts.append(
      next,
      next.signedBy === 'device' ? signerOf(signed) : undefined,
    );
    if (outcome !== 'committed') throw refusalOf(outcome);
    await this.changes.announce({
      tenant: account.tenant,
      userId: account.userId,
      version: next.list.version,
      added: [...next.deviceIds].filter((id) => !latest.deviceIds.has(id)),
      removed: [...latest.deviceIds].filter((id) => !next.deviceIds.has(id)),
    });
    return next;
  }
}

/** Whether this is the newest list once more, as a client sends it when the answer to its change was lost. */
export function isRepeated(signed: Signed, latest: KnownDeviceList | undefined): latest is KnownDeviceList {
  return latest?.signed.payload === signed.payload;
}

function signerOf(signed: Signed): DeviceId {
  return deviceIdOf(decodeBase64url(signed.signer) ?? new Uint8Array());
}

function invalid(fault: ChainFault): Refusal {
  return new Refusal('DEVICE_LIST_INVALID', `The device list is refused: ${fault}.`);
}

function refusalOf(outcome: Exclude<CommitOutcome, 'committed'>): Refusal {
  switch (outcome) {
    case 'exists':
      return new Refusal('ACCOUNT_EXISTS');
    case 'conflict':
      return new Refusal('DEVICE_LIST_CONFLICT');
    case 'handle-taken':
      return new Refusal('HANDLE_TAKEN');
    case 'device-elsewhere':
      return new Refusal('DEVICE_LIST_INVALID', 'A device of the list belongs to another account.');
  }
}
