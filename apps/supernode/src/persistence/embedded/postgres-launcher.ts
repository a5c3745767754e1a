import { execFile, spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { chown, readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

/** Conventional id of the user and group `nobody`. */
const NOBODY = 65534;
const ROOT = 0;
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
    /** The user id that PostgreSQL's files must have; undefined where they are ours anyway. */
    private readonly owner: number | undefined,
  ) {}

  static async detect(userId = process.getuid?.()): Promise<PostgresLauncher> {
    if (userId !== ROOT) return new PostgresLauncher([], undefined);
    const [program, ...args] = USER_NAMESPACE;
    try {
      await promisify(execFile)(program, [...args, 'true'], { env: ENVIRONMENT });
      return new PostgresLauncher(USER_NAMESPACE, ROOT);
    } catch {
      return PostgresLauncher.asNobody();
    }
  }

  /** What `detect` falls back to; only root can use it. */
  static asNobody(): PostgresLauncher {
    return new PostgresLauncher([], NOBODY);
  }

  /** Starts a program in its own process group, so that Ctrl-C in a terminal reaches the supernode only. */
  spawn(program: string, args: readonly string[], stdio: StdioOptions): ChildProcess {
    const [command, ...rest] = [...this.prefix, program, ...args];
    return spawn(command ?? program, rest, {
      stdio,
      detached: true,
      env: ENVIRONMENT,
      ...(this.owner === NOBODY ? { uid: NOBODY, gid: NOBODY } : {}),
    });
  }

  /** Gives a path to the user that PostgreSQL runs as. */
  async handOver(file: string): Promise<void> {
    if (this.owner !== undefined) await chown(file, this.owner, this.owner);
  }

  /** The same for a folder with all that is in it: a restored copy belongs to whoever restored it. */
  async handOverTree(folder: string): Promise<void> {
    if (this.owner === undefined || (await stat(folder)).uid === this.owner) return;
    for (const name of await readdir(folder, { recursive: true }))
      await this.handOver(path.join(folder, name));
    await this.handOver(folder); // last, as the sign that all of it is done
  }
}
