import { Module, type DynamicModule } from '@nestjs/common';
import type { Database } from './database.ts';
import { PrismaService } from './prisma.service.ts';

/**
 * Gives repositories the database that the composition root opened. The root also closes it, after every module has
 * stopped: a module may still write while it drains.
 */
@Module({})
export class DatabaseModule {
  static forRoot(database: Pick<Database, 'prisma'>): DynamicModule {
    return {
      module: DatabaseModule,
      global: true,
      providers: [{ provide: PrismaService, useValue: database.prisma }],
      exports: [PrismaService],
    };
  }
}
