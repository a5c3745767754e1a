import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';

/** The built program, as operators run it. */
const MAIN = path.resolve(import.meta.dirname, '../dist/main.js');
jest.setTimeout(60_000);
const FREE_PORTS = {
  SUPERNODE_HOST: '127.0.0.1',
  SUPERNODE_EDGE_PORT: '0',
  SUPERNODE_ADMIN_PORT: '0',
  SUPERNODE_STUN_PORT: '0',
  SUPERNODE_STUN_ALT_PORT: '0',
};

let folder: string;
const started: ChildProcess[] = [];
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'parley-main-'));
});
afterEach(async () => {
  for (const child of started.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGTERM');
    await once(child, 'exit');
  }
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Run {
  readonly child: ChildProcess;
  readonly stdout: string[];
  readonly stderr: string[];
  readonly exit: Promise<{ code: number | null; signal: string | null }>;
}

function run(args: readonly string[], env: Record<string, string>): Run {
  const child = spawn(process.execPath, [MAIN, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  started.push(child);
  const stdout: string[] = [];
  const stderr: string[] = [];
  createInterface(child.stdout).on('line', (line) => stdout.push(line));
  createInterface(child.stderr).on('line', (line) => stderr.push(line));
  const exit = once(child, 'close').then(([code, signal]) => ({
    code: code as number | null,
    signal: signal as string | null,
  }));
  return { child, stdout, stderr, exit };
}

interface Ready {
  readonly event: string;
  readonly edge: string;
  readonly admin: string;
}

async function readyLine(supernode: Run): Promise<Ready> {
  const lines = createInterface({ input: supernode.child.stdout! });
  const line = once(lines, 'line').then(([text]) => String(text));
  const ended = supernode.exit.then(() => {
    throw new TypeError(`ended before it was ready: ${supernode.stderr.join('\n')}`);
  });
  return JSON.parse(await Promise.race([line, ended])) as Ready;
}

describe('parley-supernode', () => {
  it('prints one ready line, serves what it says, and stops in order on SIGTERM', async () => {
    const supernode = run([], { ...FREE_PORTS, SUPERNODE_DATA_DIR: path.join(folder, 'a') });

    const ready = await readyLine(supernode);
    expect(ready).toEqual({
      event: 'ready',
      nodeId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      edge: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
      admin: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
      stun:
        supernode.stdout[0]?.includes('"stun":null') === true
          ? null
          : expect.stringMatching(/^127\.0\.0\.1:\d+$/),
    });
    expect((await fetch(`${ready.edge}/health/ready`)).status).toBe(200);
    supernode.child.kill('SIGTERM');

    expect(await supernode.exit).toEqual({ code: 0, signal: null });
    expect(supernode.stdout).toHaveLength(1);
    const lines = supernode.stderr.map((line) => (JSON.parse(line) as { msg: string }).msg);
    expect(lines).toEqual(expect.arrayContaining(['database open', 'supernode ready', 'supernode stopped']));
    await expect(readFile(path.join(folder, 'a/postgres/postmaster.pid'))).rejects.toMatchObject({
      code: 'ENOENT',
    });
    await expect(readFile(path.join(folder, 'a/supernode.lock'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('starts again after SIGKILL, and keeps a second supernode off its folder meanwhile', async () => {
    const env = { ...FREE_PORTS, SUPERNODE_DATA_DIR: path.join(folder, 'b') };
    const first = run([], env);
    await readyLine(first);

    const second = run([], env);
    expect(await second.exit).toEqual({ code: 1, signal: null });
    expect(second.stderr).toEqual([
      expect.stringMatching(
        `^parley-supernode: SN_DATA_FOLDER_LOCKED: .* is used by process ${String(first.child.pid)}\\.`,
      ),
    ]);

    first.child.kill('SIGKILL');
    await first.exit;
    const third = run([], env);
    await readyLine(third);
    expect(third.stderr.map((line) => JSON.parse(line) as object)).toContainEqual(
      expect.objectContaining({ msg: 'database open', recoveredFrom: 'stopped', appliedMigrations: [] }),
    );
  });

  it('tells every wrong setting in one message, without a stack, and exits with 78', async () => {
    const secret = 'too-short-secret';
    const { exit, stdout, stderr } = run([], {
      SUPERNODE_EDGE_PORT: 'x',
      SUPERNODE_ADMIN_KEY: secret,
      SUPERNODE_NO: '1',
    });

    expect(await exit).toEqual({ code: 78, signal: null });
    expect(stdout).toEqual([]);
    expect(stderr).toEqual([
      'parley-supernode: SN_CONFIG_INVALID: The settings have 3 problems:',
      '  SUPERNODE_NO is not a setting; see docs/reference/config.md',
      '  SUPERNODE_EDGE_PORT must be an integer from 0 to 65535',
      '  SUPERNODE_ADMIN_KEY must have at least 24 characters',
    ]);
  });

  it('prints all of a long answer into a pipe', async () => {
    // A pipe of the shell holds less than the socket that a parent gets from `spawn`.
    const command = ['-c', '"$0" "$1" openapi | cat', process.execPath, MAIN];
    const { stdout } = await promisify(execFile)('sh', command, { maxBuffer: 2 ** 24 });
    const reference = path.resolve(import.meta.dirname, '../../../docs/reference/openapi.json');
    expect(stdout).toBe(await readFile(reference, 'utf8'));
  });

  it('tells a database that is away without a stack', async () => {
    const env = { ...FREE_PORTS, DATABASE_URL: 'postgresql://user:s3cret@127.0.0.1:1/parley' };
    const { exit, stderr } = run([], env);

    expect(await exit).toEqual({ code: 1, signal: null });
    expect(stderr).toEqual([expect.stringMatching(/^parley-supernode: SN_DB_UNREACHABLE: .*ECONNREFUSED/)]);
    expect(stderr.join()).not.toContain('s3cret');
  });

  it.each([[['rotate-keys', 'roster']], [['raise-epoch']]])(
    'does not make a database for %j where there is none',
    async (args) => {
      const { exit, stderr } = run(args, { SUPERNODE_DATA_DIR: path.join(folder, 'none') });

      expect(await exit).toEqual({ code: 78, signal: null });
      expect(stderr).toEqual([expect.stringMatching(/SN_OPERATION_REFUSED: .* holds no database\./)]);
    },
  );

  it.each([
    [['config', 'check'], 0, 'The settings are right.'],
    [['config', 'print-defaults'], 0, 'SUPERNODE_HOST=0.0.0.0'],
    [['config', 'docs'], 0, '# Settings of a supernode'],
    [['config', 'nonsense'], 64, 'Usage: parley-supernode config check | print-defaults | docs [folder]'],
    [['openapi'], 0, '{'],
    [['rotate-keys', 'nonsense'], 64, undefined],
    [['rotate-keys', 'roster', '-1'], 64, undefined],
    [['raise-epoch', 'now'], 64, undefined],
    [['--help'], 0, expect.stringContaining('parley-supernode ')],
  ])('has the command %j', async (args, code, firstLine) => {
    const { exit, stdout } = run(args, {});

    expect(await exit).toEqual({ code, signal: null });
    expect(stdout[0]).toEqual(firstLine);
  });
});
