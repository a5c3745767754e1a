import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { EdgeClient } from '@parley/edge-client';
import { befriend, ClientBench, firstOf, nextSession, userIdOf } from './clients.ts';
import { startSupernode, type RunningSupernode } from './start-supernode.ts';

/** What a cluster and an operator of one would have; nothing of it is found here. */
const SERVICES = ['redis-server', 'redis-cli', 'postgres', 'initdb', 'psql', 'sh'];

describe('a standalone deployment where Node is the only program', () => {
  let programs: string;
  let environment: Readonly<Record<string, string>>;
  let supernode: RunningSupernode;
  let bench: ClientBench;

  beforeAll(async () => {
    programs = await mkdtemp(join(tmpdir(), 'parley-node-only-'));
    await symlink(process.execPath, join(programs, 'node'));
    // The clients of this file, too, look for programs there; other files have an environment of their own.
    process.env['PATH'] = programs;
    environment = { PATH: programs, REDIS_URL: '', DATABASE_URL: '' };
    supernode = await startSupernode({ env: environment });
    bench = new ClientBench(supernode.url);
  }, 90_000);

  afterAll(async () => {
    await bench.clear();
    await supernode.stop();
    await rm(programs, { recursive: true });
  }, 30_000);

  it('has no Redis and no PostgreSQL to find', () => {
    const found = (program: string) =>
      spawnSync(program, ['--version'], { env: environment }).error === undefined;

    expect(found('node')).toBe(true);
    expect(SERVICES.filter(found)).toEqual([]);
  });

  it('signs clients in, opens a session for them, and still knows them and a message after a restart', async () => {
    const folders = [await bench.folder(), await bench.folder()] as const;
    const [alice, bob] = await Promise.all([
      bench.user('alice', { dataDir: folders[0] }),
      bench.user('bob', { dataDir: folders[1] }),
    ]);
    await befriend(alice, bob);
    const arriving = nextSession(bob);
    const ours = await alice.openSession(userIdOf(bob));
    const theirs = await arriving;
    const heard = firstOf(theirs.datagrams);
    ours.sendDatagram(Buffer.from('voice'));
    expect(Buffer.from(await heard).toString()).toBe('voice');

    await bob.close();
    const sent = await alice.messages.send(userIdOf(bob), 'for later');
    await sent.stored;
    await supernode.halt();
    const edgePort = Number(new URL(supernode.url).port);
    supernode = await startSupernode({ env: environment, dataDir: supernode.dataDir, edgePort });
    const bobAgain = await bench.open({ dataDir: folders[1] });
    const read = firstMessage(bobAgain);
    await bobAgain.connect();

    expect(await read).toBe('for later');
  }, 90_000);
});

function firstMessage(client: EdgeClient): Promise<string> {
  return new Promise((resolve) => {
    client.messages.on('message', ({ text }) => resolve(text));
  });
}
