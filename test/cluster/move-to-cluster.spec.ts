import { once } from 'node:events';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import type { ReceivedMessage } from '@parley/edge-client';
import { befriend, ClientBench, userIdOf } from '../system/clients.ts';
import { describeCluster } from './describe-cluster.ts';
import { readRoster } from './observed-roster.ts';
import { PostgresServer } from './postgres-server.ts';
import { ProcessGroup } from './process-group.ts';
import { RedisServer } from './redis-server.ts';
import { SupernodeNode } from './supernode-node.ts';
import { LOOPBACK, until } from './waiting.ts';

const PACKAGE = createRequire(import.meta.url).resolve('@parley/supernode/package.json');
const MAIN = join(dirname(PACKAGE), 'dist/main.js');

describeCluster('a standalone deployment', () => {
  let group: ProcessGroup;
  let bench: ClientBench | undefined;

  beforeEach(async () => {
    group = await ProcessGroup.open();
  });

  afterEach(async () => {
    await bench?.clear();
    await group.close();
  });

  /** Starts a command of the supernode and gives its first line, and how to wait for its end. */
  async function run(args: readonly string[], env: Readonly<Record<string, string>>) {
    const child = group.spawn(process.execPath, [MAIN, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, SUPERNODE_LOG_LEVEL: 'error', ...env },
    });
    const ended = once(child, 'exit');
    if (child.stdout === null) throw new TypeError('the process has no pipe');
    const first = await Promise.race([once(createInterface(child.stdout), 'line'), ended]);
    const line: unknown = typeof first[0] === 'string' ? JSON.parse(first[0]) : undefined;
    return { line, stop: () => child.kill('SIGTERM'), ended };
  }

  it('becomes the first supernode of a cluster, with its identity and all its data: its users sign in as ever, and what waited for them is there', async () => {
    const [redis, postgres] = await Promise.all([RedisServer.start(group), PostgresServer.start(group)]);
    const node = await SupernodeNode.create(group, {
      nodeId: 'node-1',
      redisUrl: `redis://${LOOPBACK}:${redis.port}`,
      databaseUrl: postgres.url,
    });
    const file = join(group.folder, 'all.jsonl');
    const alone = { SUPERNODE_DATA_DIR: join(group.folder, 'alone') };
    bench = new ClientBench(node.url);
    const [annasFolder, bertsFolder] = [await bench.folder(), await bench.folder()];
    const startAlone = async () => {
      const supernode = await run([], {
        ...alone,
        SUPERNODE_HOST: LOOPBACK,
        // The cluster will be where clients know it.
        SUPERNODE_EDGE_PORT: new URL(node.url).port,
        SUPERNODE_ADMIN_PORT: '0',
        SUPERNODE_STUN_PORT: '0',
        SUPERNODE_STUN_ALT_PORT: '0',
        SUPERNODE_PUZZLE_BITS: '0',
      });
      expect(supernode.line).toMatchObject({ event: 'ready' });
      return supernode;
    };

    let supernode = await startAlone();
    const [anna, bert] = await Promise.all([
      bench.user('anna', { dataDir: annasFolder }),
      bench.user('bert', { dataDir: bertsFolder }),
    ]);
    const [annaId, bertId] = [userIdOf(anna), userIdOf(bert)];
    await befriend(anna, bert);
    await bert.close();
    const left = await anna.messages.send(bertId, 'left in the mailbox');
    await left.stored;
    await anna.close();
    supernode.stop();
    expect(await supernode.ended).toEqual([0, null]);
    supernode = await startAlone();
    supernode.stop();
    expect(await supernode.ended).toEqual([0, null]);

    const exported = await run(['export', file], alone);
    const imported = await run(['import', file], { DATABASE_URL: postgres.url });
    expect([(await exported.ended)[0], (await imported.ended)[0]]).toEqual([0, 0]);
    const { rows } = exported.line as { rows: number };
    expect(rows).toBeGreaterThan(3);
    expect(imported.line).toEqual({ event: 'import', file, rows });

    await node.start();
    const database = await postgres.connect();
    const settings = await database.query("SELECT value FROM cluster_setting WHERE key = 'cluster-id'");
    const identity: unknown = await (await fetch(`${node.url}/cluster/identity`)).json();
    expect(identity).toMatchObject({
      nodeId: 'node-1',
      clusterId: (settings.rows as readonly { value: string }[])[0]?.value,
    });
    // It ran twice alone: what it wrote then is outranked.
    const roster = await until('a seat', async () => {
      const found = await readRoster(database);
      return found?.seats.length === 1 ? found : undefined;
    });
    expect(roster.epoch).toBeGreaterThan(2);

    // Who was a user is one, by the key on its disk: no account and nothing of it has to be made anew.
    const bertHere = await bench.open({ dataDir: bertsFolder });
    const shown: ReceivedMessage[] = [];
    bertHere.messages.on('message', (message) => void shown.push(message));
    await bertHere.connect();
    expect(await until('the message that waited', () => shown[0])).toMatchObject({
      text: 'left in the mailbox',
      peer: annaId,
      isOwn: false,
    });
    expect(bertHere.contacts.get(annaId)?.state).toBe('accepted');
    const annaHere = await bench.open({ dataDir: annasFolder });
    await annaHere.connect();
    expect(annaHere.contacts.get(bertId)?.state).toBe('accepted');
    expect((await bertHere.directory.lookup({ handle: 'anna' })).userId).toBe(annaId);
    const sent = await annaHere.messages.send(bertId, 'in the cluster');
    await sent.delivered;
    const texts = (await bertHere.messages.history(annaId)).map(({ text }) => text);
    expect(texts).toEqual(['left in the mailbox', 'in the cluster']);

    const again = await run(['import', file], { DATABASE_URL: postgres.url });
    expect(await again.ended).toEqual([78, null]);
    await database.end();
  }, 180_000);
});
