import { Injectable } from '@nestjs/common';
import { DEFAULT_TENANT } from '@parley/protocol';
import { SupernodeError } from '../errors.ts';
import type { KeyPurpose, KeyRotation } from '../identity/key-rotation.ts';
import type { ClusterKeyRecord, KeyringStore } from '../identity/keyring.port.ts';
import { auditRow } from './audit-row.ts';
import { PrismaService } from './prisma.service.ts';

/** Keyring and settings of the cluster: the first supernode writes a row; of several at once, one wins and all read it. */
@Injectable()
export class PrismaKeyringStore implements KeyringStore {
  constructor(private readonly prisma: PrismaService) {}

  async settingOrCreate(key: string, candidate: string): Promise<string> {
    await this.prisma.clusterSetting.createMany({ data: [{ key, value: candidate }], skipDuplicates: true });
    const { value } = await this.prisma.clusterSetting.findUniqueOrThrow({ where: { key } });
    if (typeof value !== 'string')
      throw new SupernodeError('SN_INVARIANT', `The cluster setting ${key} is no text.`);
    return value;
  }

  async keysOrCreate(purpose: string, candidate: ClusterKeyRecord): Promise<readonly ClusterKeyRecord[]> {
    const newestFirst = { where: { purpose }, orderBy: { version: 'desc' } } as const;
    const keys = await this.prisma.clusterKey.findMany(newestFirst);
    // Not beside others: the first version may have ended and been forgotten.
    if (keys.length > 0) return keys;
    await this.prisma.clusterKey.createMany({ data: [rowOf(candidate)], skipDuplicates: true });
    return this.prisma.clusterKey.findMany(newestFirst);
  }

  /** Changes the keys of a purpose as planned for those that are there; of several at once, each sees what the other did. */
  rotate(
    purpose: KeyPurpose,
    plan: (keys: readonly ClusterKeyRecord[]) => KeyRotation,
  ): Promise<KeyRotation> {
    return this.prisma.$transaction(async (transaction) => {
      await transaction.$queryRaw`SELECT version FROM cluster_key WHERE purpose = ${purpose} FOR UPDATE`;
      const keys = await transaction.clusterKey.findMany({
        where: { purpose },
        orderBy: { version: 'desc' },
      });
      const rotation = plan(keys);
      const { next, endings, forgotten } = rotation;
      await transaction.clusterKey.create({ data: rowOf(next) });
      for (const { version, notAfter } of endings)
        await transaction.clusterKey.update({
          where: { purpose_version: { purpose, version } },
          data: { notAfter },
        });
      await transaction.clusterKey.deleteMany({ where: { purpose, version: { in: [...forgotten] } } });
      await transaction.auditEntry.create({
        data: auditRow({
          tenant: DEFAULT_TENANT,
          actor: 'command',
          action: 'key.rotate',
          target: `${purpose}-${next.version}`,
          detail: { signsFrom: next.notBefore.toISOString() },
        }),
      });
      return rotation;
    });
  }
}

function rowOf(key: ClusterKeyRecord) {
  return { ...key, secret: Buffer.from(key.secret), publicKey: key.publicKey && Buffer.from(key.publicKey) };
}
