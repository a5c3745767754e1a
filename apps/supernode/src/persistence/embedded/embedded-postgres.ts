import { once } from 'node:events';
import { open, readFile, stat } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import type { ChildProcess } from 'node:child_process';
import { SupernodeError, errorCodeOf } from '../../errors.ts';
import type { ConnectionSettings } from '../connection-settings.ts';
import { lockDataFolder } from './data-folder-lock.ts';
import {
  SUPERUSER,
  corrupted,
  prepareCluster,
  prepareDataFolder,
  readSuperuserPassword,
  type DataFolder,
} from './embedded-cluster.ts';
import { locatePostgresBinaries } from './postgres-binaries.ts';
import { PostgresLauncher } from './postgres-launcher.ts';
import { PostgresSupervisor, type InterruptionOutcome } from './postgres-supervisor.ts';
import { stopOrphan, waitUntilReady } from './postmaster.ts';
import { openSocketFolder, type SocketFolder } from './socket-folder.ts';

/** Recovery after a crash replays the log before the server is ready, which may take long. */
const START_LIMIT_MS = 120_000;
const MAX_LOG_BYTES = 5 * 1024 * 1024;
const UNIX_SOCKET_PORT = 5432;
const LOOPBACK = '127.0.0.1';
/** What the server says when its files, not its surroundings, are at fault. */
const DAMAGE =
  /PANIC|invalid|could not (open|read|find|access|locate)|corrupt|checksum|does not exist|incomplete/i;

/** Options of {@link startEmbeddedPostgres}. */
export interface EmbeddedPostgresOptions {
  readonly dataFolder: string;
  /** Whether commits survive a power cut. Only tests say false. @default true */
  readonly isDurable?: boolean;
  /** `loopback` (TCP on 127.0.0.1) is for platforms that have no Unix sockets. @default 'unix-socket' elsewhere */
  readonly transport?: 'unix-socket' | 'loopback';
  /** How the server is run. @default what fits this machine */
  readonly launcher?: PostgresLauncher;
}

/** A running PostgreSQL that belongs to this process. */
export interface EmbeddedPostgres {
  /** Process id of the server that runs now. */
  readonly pid: number;
  /** Whether a server that a killed supernode left behind was stopped first. */
  readonly recoveredFrom: 'none' | 'stopped' | 'cleared';
  /** How to reach the server as its superuser; for preparing roles and databases only. */
  readonly superuser: ConnectionSettings;
  /** Called each time that the server ended without having been asked to: it runs again, or it cannot be started. */
  onInterruption(listener: (outcome: InterruptionOutcome) => void): void;
  stop(): Promise<void>;
}

/**
 * Starts the PostgreSQL of the npm packages on a data folder that no other process may use meanwhile. Passwords are
 * asked for on every transport.
 *
 * @throws SupernodeError SN_DATA_FOLDER_LOCKED, SN_DATA_FOLDER_UNUSABLE, SN_DB_UNSUPPORTED, SN_DB_VERSION_MISMATCH,
 * SN_DB_CORRUPTED, SN_DB_START_FAILED
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const binaries = await locatePostgresBinaries();
  const launcher = options.launcher ?? (await PostgresLauncher.detect());
  const folder = await prepareDataFolder(options.dataFolder, launcher);
  const lock = await lockDataFolder(folder.root);
  let socketFolder: SocketFolder | undefined;
  try {
    const recoveredFrom = await stopOrphan(folder.cluster);
    const isDurable = options.isDurable ?? true;
    await prepareCluster(folder, binaries, launcher, isDurable);
    const transport = options.transport ?? (process.platform === 'win32' ? 'loopback' : 'unix-socket');
    if (transport === 'unix-socket') socketFolder = await openSocketFolder(folder.root, launcher);
    const port = socketFolder === undefined ? await freeLoopbackPort() : UNIX_SOCKET_PORT;
    const settings = serverSettings(socketFolder?.path, isDurable);
    const args = [
      '-D',
      folder.cluster,
      '-p',
      String(port),
      ...settings.flatMap((setting) => ['-c', setting]),
    ];
    const launchServer = (): Promise<ChildProcess> =>
      launch(folder, (log) => launcher.spawn(binaries.postgres, args, ['ignore', log, log]));
    const password = await readSuperuserPassword(folder);
    const child = await launchServer();
    const superuser: ConnectionSettings = {
      host: socketFolder?.path ?? LOOPBACK,
      port,
      user: SUPERUSER,
      password,
      database: 'postgres',
    };
    const supervisor = new PostgresSupervisor(child, launchServer);
    const opened = socketFolder;
    return {
      superuser,
      recoveredFrom,
      get pid() {
        return supervisor.pid;
      },
      onInterruption: (listener) => supervisor.onInterruption(listener),
      stop: async () => {
        await supervisor.stop();
        await opened?.remove();
        await lock.release();
      },
    };
  } catch (error) {
    await socketFolder?.remove();
    await lock.release();
    throw error;
  }
}

function serverSettings(socketFolder: string | undefined, isDurable: boolean): string[] {
  return [
    `listen_addresses=${socketFolder === undefined ? LOOPBACK : ''}`,
    `unix_socket_directories=${socketFolder ?? ''}`,
    'unix_socket_permissions=0700',
    'password_encryption=scram-sha-256',
    'max_connections=50',
    'shared_buffers=32MB',
    'logging_collector=off',
    'log_min_messages=warning',
    // Statements can hold secrets; they are never logged, not even those that fail.
    'log_statement=none',
    'log_min_error_statement=panic',
    ...(isDurable ? [] : ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off']),
  ];
}

/** Starts the server with its messages in the data folder, and reads them back where it does not get ready. */
async function launch(folder: DataFolder, start: (log: number) => ChildProcess): Promise<ChildProcess> {
  const isLogFull = await stat(folder.log).then(
    (log) => log.size > MAX_LOG_BYTES,
    () => false,
  );
  const log = await open(folder.log, isLogFull ? 'w' : 'a', 0o600);
  const logStart = (await log.stat()).size;
  const child = start(log.fd);
  const waiting = new AbortController();
  try {
    const spawned = once(child, 'spawn');
    await spawned;
    const limit = setTimeout(() => waiting.abort(), START_LIMIT_MS);
    const exited = once(child, 'exit').then(() => 'exited' as const);
    const ready = waitUntilReady(folder.cluster, child.pid ?? 0, waiting.signal).then(() => 'ready' as const);
    const outcome = await Promise.race([exited, ready.catch(() => 'late' as const)]);
    clearTimeout(limit);
    if (outcome === 'ready') return child;
    waiting.abort();
    if (outcome === 'late') child.kill('SIGQUIT');
    throw startFailure(folder, (await readFile(folder.log, 'utf8')).slice(logStart), outcome);
  } catch (cause) {
    if (cause instanceof SupernodeError) throw cause;
    throw new SupernodeError(
      'SN_DB_START_FAILED',
      `The embedded database cannot be run: ${errorCodeOf(cause) ?? ''}`,
      {
        cause,
      },
    );
  } finally {
    await log.close();
  }
}

function startFailure(folder: DataFolder, log: string, outcome: 'exited' | 'late'): SupernodeError {
  if (outcome === 'late') {
    return new SupernodeError(
      'SN_DB_START_FAILED',
      `The embedded database was not ready in ${START_LIMIT_MS / 1000} s; see ${folder.log}.`,
    );
  }
  const fatal =
    log.split('\n').find((line) => /FATAL|PANIC/.test(line)) ?? log.trim().split('\n').at(-1) ?? '';
  const reason = fatal.replace(/^.*?(FATAL|PANIC):\s*/, '');
  if (DAMAGE.test(fatal)) return corrupted(folder, `${reason} (see ${folder.log})`);
  return new SupernodeError(
    'SN_DB_START_FAILED',
    `The embedded database did not start: ${reason || 'no message'} (see ${folder.log})`,
  );
}

async function freeLoopbackPort(): Promise<number> {
  const probe = createServer().listen(0, LOOPBACK);
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}
