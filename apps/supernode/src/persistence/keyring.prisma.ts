import { Injectable } from '@nestjs/common';
import { SupernodeError } from '../errors.ts';
import type { ClusterKeyRecord, KeyringStore } from '../identity/keyring.port.ts';
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
    await this.prisma.clusterKey.createMany({
      data: [
        {
          ...candidate,
          secret: Buffer.from(candidate.secret),
          publicKey: candidate.publicKey && Buffer.from(candidate.publicKey),
        },
      ],
      skipDuplicates: true,
    });
    return this.prisma.clusterKey.findMany({ where: { purpose }, orderBy: { version: 'desc' } });
  }
}
