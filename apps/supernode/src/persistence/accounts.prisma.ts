import { Injectable } from '@nestjs/common';
import {
  decodeBase64url,
  deviceIdSchema,
  encodeBase64url,
  handleSchema,
  type DeviceId,
  type Signed,
} from '@parley/protocol';
import { SupernodeError } from '../errors.ts';
import type {
  Account,
  AccountDraft,
  AccountStore,
  CommitOutcome,
  DeviceVisit,
} from '../identity/accounts.port.ts';
import type { UserAddress } from '../identity/connection-context.ts';
import {
  readStoredList,
  type KnownDeviceList,
  type VerifiedDeviceList,
} from '../identity/device-list-chain.ts';
import { foldHandle } from '../identity/handle.ts';
import { FrequentStatements } from './frequent-statements.ts';
import { Prisma, type DeviceList as DeviceListRow } from './generated/client.ts';
import { PrismaService } from './prisma.service.ts';

type SignedRow = Pick<DeviceListRow, 'payload' | 'signature' | 'signerKey'>;

/** Every sign-in asks for it. Who has no device list yet has none of its columns. */
type AccountRow = {
  readonly handle: string | null;
  readonly status: Account['status'];
  readonly removed: readonly string[];
} & { readonly [Column in keyof SignedRow]: SignedRow[Column] | null };

const ACCOUNT = {
  name: 'account',
  text: `
    SELECT account.handle, account.status, list.payload, list.signature, list.signer_key AS "signerKey",
           ARRAY(SELECT device.device_id FROM device
                  WHERE device.tenant_id = $1 AND device.user_id = $2 AND device.state = 'removed') AS removed
      FROM user_account account
      LEFT JOIN LATERAL (
        SELECT * FROM device_list
         WHERE tenant_id = $1 AND user_id = $2
         ORDER BY version DESC
         LIMIT 1
      ) list ON true
     WHERE account.tenant_id = $1 AND account.user_id = $2`,
};

/** In the order of their keys, so that supernodes that write at the same time wait for each other and no more. */
const TOUCH = {
  name: 'touch-devices',
  text: `
    WITH visit AS (
      SELECT tenant_id, device_id, max(at) AS at
        FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS named(tenant_id, device_id, at)
       GROUP BY tenant_id, device_id
    ), locked AS (
      SELECT device.tenant_id, device.device_id, visit.at
        FROM device JOIN visit USING (tenant_id, device_id)
       WHERE device.last_seen_at IS NULL OR device.last_seen_at < visit.at
       ORDER BY device.tenant_id, device.device_id
         FOR NO KEY UPDATE OF device
    )
    UPDATE device SET last_seen_at = locked.at
      FROM locked
     WHERE device.tenant_id = locked.tenant_id AND device.device_id = locked.device_id`,
};

/** A write that the state of the database rules out; it rolls the transaction back and never leaves this file. */
class Ruled extends Error {
  constructor(readonly outcome: CommitOutcome) {
    super(outcome);
  }
}

/** Accounts, devices and device lists in the database. */
@Injectable()
export class PrismaAccountStore implements AccountStore {
  private readonly statements: FrequentStatements;

  constructor(private readonly prisma: PrismaService) {
    this.statements = new FrequentStatements(prisma.connections);
  }

  async find({ tenant, userId }: UserAddress): Promise<Account | undefined> {
    const [row] = await this.statements.run<AccountRow>(ACCOUNT, [tenant, userId]);
    if (!row) return undefined;
    const { handle, status, payload, signature, signerKey, removed } = row;
    return {
      tenant,
      userId,
      handle: handle === null ? null : handleSchema.parse(handle),
      status,
      latest: payload && signature && signerKey ? knownList({ payload, signature, signerKey }) : undefined,
      removedDevices: new Set(removed.map((deviceId) => deviceIdSchema.parse(deviceId))),
    };
  }

  async ensureUser({ tenant, userId }: UserAddress): Promise<void> {
    await this.prisma.user.createMany({ data: [{ tenantId: tenant, userId }], skipDuplicates: true });
  }

  async create(verified: VerifiedDeviceList, draft: AccountDraft): Promise<CommitOutcome> {
    const { tenant: tenantId, userId } = verified.list;
    const named = {
      ...(draft.handle === undefined ? {} : { handle: draft.handle, handleFolded: foldHandle(draft.handle) }),
      ...(draft.displayName === undefined ? {} : { displayName: draft.displayName }),
    };
    return this.commit('exists', async (transaction) => {
      const where = { tenantId_userId: { tenantId, userId } };
      rejectUnless(await transaction.deviceList.count({ where: { tenantId, userId } }), 0, 'exists');
      await transaction.user.createMany({ data: [{ tenantId, userId }], skipDuplicates: true });
      await transaction.user.update({ where, data: named });
      await insertList(transaction, verified, undefined);
      await writeDevices(transaction, verified);
    });
  }

  async append(verified: VerifiedDeviceList, signerDevice: DeviceId | undefined): Promise<CommitOutcome> {
    return this.commit('conflict', async (transaction) => {
      await insertList(transaction, verified, signerDevice);
      await writeDevices(transaction, verified);
    });
  }

  async listsAfter(
    user: UserAddress,
    sinceVersion: number,
    limit: number,
  ): Promise<readonly Signed[] | undefined> {
    const where = { tenantId: user.tenant, userId: user.userId };
    const rows = await this.prisma.deviceList.findMany({
      where: { ...where, version: { gt: sinceVersion } },
      orderBy: { version: 'asc' },
      take: limit,
    });
    if (rows.length === 0 && (await this.prisma.deviceList.count({ where })) === 0) return undefined;
    return rows.map(signedOf);
  }

  async touchDevices(visits: readonly DeviceVisit[]): Promise<void> {
    await this.statements.run(TOUCH, [
      visits.map(({ tenant }) => tenant),
      visits.map(({ deviceId }) => deviceId),
      visits.map(({ at }) => at),
    ]);
  }

  /** Runs the writes as one transaction; `lost` says what a row that is there already means. */
  private async commit(
    lost: CommitOutcome,
    writes: (transaction: Prisma.TransactionClient) => Promise<void>,
  ): Promise<CommitOutcome> {
    try {
      await this.prisma.$transaction(writes);
      return 'committed';
    } catch (error) {
      if (error instanceof Ruled) return error.outcome;
      const violated = uniqueViolation(error);
      if (violated === undefined) throw error;
      return violated.includes('handle') ? 'handle-taken' : lost;
    }
  }
}

async function insertList(
  transaction: Prisma.TransactionClient,
  { list, signed }: VerifiedDeviceList,
  signerDevice: DeviceId | undefined,
): Promise<void> {
  await transaction.deviceList.create({
    data: {
      tenantId: list.tenant,
      userId: list.userId,
      version: list.version,
      payload: bytesOf(signed.payload),
      signature: bytesOf(signed.signature),
      signerKey: bytesOf(signed.signer),
      signerDeviceId: signerDevice ?? null,
    },
  });
}

/** Brings the device rows to the list. A device that is active in another account is not taken from it. */
async function writeDevices(
  transaction: Prisma.TransactionClient,
  { list, deviceIds }: VerifiedDeviceList,
): Promise<void> {
  const { tenant: tenantId, userId } = list;
  const ids = [...deviceIds];
  const elsewhere = await transaction.device.count({
    where: { tenantId, deviceId: { in: ids }, userId: { not: userId }, state: 'active' },
  });
  rejectUnless(elsewhere, 0, 'device-elsewhere');
  for (const [at, device] of list.devices.entries()) {
    const deviceId = ids[at];
    if (deviceId === undefined) throw new SupernodeError('SN_INVARIANT', 'A verified list repeats a device.');
    await transaction.device.upsert({
      where: { tenantId_deviceId: { tenantId, deviceId } },
      create: { tenantId, deviceId, userId, publicKey: bytesOf(device.key), name: device.name },
      update: { userId, name: device.name, state: 'active', removedAt: null },
    });
  }
  await transaction.device.updateMany({
    where: { tenantId, userId, state: 'active', deviceId: { notIn: ids } },
    data: { state: 'removed', removedAt: new Date() },
  });
}

function rejectUnless(count: number, expected: number, outcome: CommitOutcome): void {
  if (count !== expected) throw new Ruled(outcome);
}

function knownList(row: SignedRow): KnownDeviceList {
  const known = readStoredList(signedOf(row));
  if (!known) throw new SupernodeError('SN_INVARIANT', 'A stored device list cannot be read.');
  return known;
}

function signedOf(row: SignedRow): Signed {
  return {
    payload: encodeBase64url(row.payload),
    signature: encodeBase64url(row.signature),
    signer: encodeBase64url(row.signerKey),
  };
}

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  const bytes = decodeBase64url(text);
  if (!bytes) throw new SupernodeError('SN_INVARIANT', 'A verified list holds text that is no base64url.');
  return new Uint8Array(bytes);
}

/** Text that names the violated constraint, where the error is P2002; the place differs between drivers. */
function uniqueViolation(error: unknown): string | undefined {
  if (!(error instanceof Prisma.PrismaClientKnownRequestError) || error.code !== 'P2002') return undefined;
  return JSON.stringify(error.meta ?? {});
}
