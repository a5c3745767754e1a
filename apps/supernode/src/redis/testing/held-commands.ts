import type { RedisCommands, RedisReply } from '../redis-commands.ts';
import type { RedisScript } from '../redis-script.ts';

/** Commands of a supernode that can be stopped between two steps, and go on when others have done theirs. */
export class HeldCommands implements RedisCommands {
  private held:
    { readonly script: RedisScript; readonly reached: () => void; readonly go: Promise<void> } | undefined;

  constructor(private readonly redis: RedisCommands) {}

  /** The next call of this script waits for `release`; `reached` resolves when it is there. */
  holdBefore(script: RedisScript): { readonly reached: Promise<void>; readonly release: () => void } {
    let reach = (): void => undefined;
    let release = (): void => undefined;
    const reached = new Promise<void>((resolve) => (reach = resolve));
    const go = new Promise<void>((resolve) => (release = resolve));
    this.held = { script, reached: reach, go };
    return { reached, release };
  }

  async run(script: RedisScript, keys: readonly string[], args: readonly string[]): Promise<RedisReply> {
    if (this.held?.script === script) {
      const { reached, go } = this.held;
      this.held = undefined;
      reached();
      await go;
    }
    return this.redis.run(script, keys, args);
  }

  command(key: string, command: readonly [string, ...string[]]): Promise<RedisReply> {
    return this.redis.command(key, command);
  }
}
