import { Module, type DynamicModule } from '@nestjs/common';
import type { ClusterConfig } from '../config/config.schema.ts';
import { nextPresenceEpoch } from '../persistence/presence-epoch.prisma.ts';
import { PrismaService } from '../persistence/prisma.service.ts';
import { PRESENCE_EPOCH } from '../presence/presence-epoch.port.ts';
import { NODE_ID, nodeIdOf } from './node-identity.ts';
import { OwnAddresses } from './own-addresses.ts';
import { OWNERSHIP } from './ownership.port.ts';
import { SoleOwnership } from './sole-ownership.ts';

/** Who this supernode is among the others and whose home it is: for every module. */
@Module({})
export class ClusterModule {
  static forRoot(config: ClusterConfig): DynamicModule {
    const providers = [
      OwnAddresses,
      { provide: NODE_ID, useValue: nodeIdOf(config) },
      { provide: PRESENCE_EPOCH, useFactory: nextPresenceEpoch, inject: [PrismaService] },
      {
        provide: OWNERSHIP,
        useFactory: (self: string, epoch: number, addresses: OwnAddresses) =>
          new SoleOwnership(self, epoch, addresses),
        inject: [NODE_ID, PRESENCE_EPOCH, OwnAddresses],
      },
    ];
    return { module: ClusterModule, global: true, providers, exports: providers };
  }
}
