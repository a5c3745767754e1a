import { Module, type DynamicModule } from '@nestjs/common';
import type { RedisConnection } from './redis-connection.redis.ts';
import type { RedisKeys } from './redis-keys.ts';

/** Where supernodes of a cluster share live state. */
export interface SharedState {
  readonly connection: RedisConnection;
  readonly keys: RedisKeys;
}

/** A {@link SharedState}, or null where one supernode runs alone and keeps all in memory. */
export const SHARED_STATE = Symbol('SharedState');

/**
 * Gives stores the connection that the composition root opened, if it did. The root also closes it, after every module has
 * stopped: a module may still write while it drains.
 */
@Module({})
export class RedisModule {
  static forRoot(shared: SharedState | undefined): DynamicModule {
    const provider = { provide: SHARED_STATE, useValue: shared ?? null };
    return { module: RedisModule, global: true, providers: [provider], exports: [provider] };
  }
}
