import type { RedisScript } from './redis-script.ts';

/** What Redis answers to a command or script; numbers are whole. */
export type RedisReply = string | number | null | readonly RedisReply[];

/** What stores ask of a connection. */
export interface RedisCommands {
  /**
   * Runs a script whose `keys` share a hash tag.
   *
   * @throws SupernodeError SN_REDIS_UNREACHABLE, SN_NOT_OWNER, SN_REDIS_REFUSED
   */
  run(script: RedisScript, keys: readonly string[], args: readonly string[]): Promise<RedisReply>;
  /**
   * Sends one command on one key: `['GET', key]`.
   *
   * @throws SupernodeError SN_REDIS_UNREACHABLE, SN_REDIS_REFUSED
   */
  command(key: string, command: readonly [string, ...string[]]): Promise<RedisReply>;
}
