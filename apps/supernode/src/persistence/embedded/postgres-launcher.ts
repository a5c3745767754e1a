import { execFile, spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { chown } from 'node:fs/promises';
import { promisify } from 'node:util';

/** Conventional id of the user and group `nobody`. */
const NOBODY = 65534;
const USER_NAMESPACE = ['unshare', '--user', '--map-user=1000', '--map-group=1000'] as const;
const ENVIRONMENT = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LC_ALL: 'C',
  TZ: 'UTC',
};

/**
 * How PostgreSQL is run here. It refuses to run with user id 0; a supernode that runs as root (the rule in
 * containers) puts it into a user namespace, where files stay root's, and where that is not allowed runs it as nobody.
 */
export class PostgresLauncher {
  private constructor(
    private readonly prefix: readonly string[],
    private readonly runAs: number | undefined,
  ) {}

  static async detect(userId = process.getuid?.()): Promise<PostgresLauncher> {
    if (userId !== 0) return new PostgresLauncher([], undefined);
    const [program, ...args] = USER_NAMESPACE;
    try {
      await promisify(execFile)(program, [...args, 'true'], { env: ENVIRONMENT });
      return new PostgresLauncher(USER_NAMESPACE, undefined);
    } catch {
      return new PostgresLauncher([], NOBODY);
    }
  }

  /** Starts a program in its own process group, so that Ctrl-C in a terminal reaches the supernode only. */
  spawn(program: string, args: readonly string[], stdio: StdioOptions): ChildProcess {
    const [command, ...rest] = [...this.prefix, program, ...args];
    return spawn(command ?? program, rest, {
      stdio,
      detached: true,
      env: ENVIRONMENT,
      ...(this.runAs === undefined ? {} : { uid: this.runAs, gid: this.runAs }),
    });
  }

  /** Gives a path to the user that PostgreSQL runs as, where that is not ours. */
  async handOver(file: string): Promise<void> {
    if (this.runAs !== undefined) await chown(file, this.runAs, this.runAs);
  }
}
