import { once } from 'node:events';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
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

  beforeEach(async () => {
    group = await ProcessGroup.open();
  });

  afterEach(async () => {
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

  it('becomes the first supernode of a cluster, with all its data and its identity', async () => {
    const [redis, postgres] = await Promise.all([RedisServer.start(group), PostgresServer.start(group)]);
    const file = join(group.folder, 'all.jsonl');
    const alone = { SUPERNODE_DATA_DIR: join(group.folder, 'alone') };
    for (let starts = 0; starts < 2; starts += 1) {
      const supernode = await run([], {
        ...alone,
        SUPERNODE_HOST: LOOPBACK,
        SUPERNODE_EDGE_PORT: '0',
        SUPERNODE_ADMIN_PORT: '0',
        SUPERNODE_STUN_PORT: '0',
        SUPERNODE_STUN_ALT_PORT: '0',
      });
      expect(supernode.line).toMatchObject({ event: 'ready' });
      supernode.stop();
      expect(await supernode.ended).toEqual([0, null]);
    }

    const exported = await run(['export', file], alone);
    const imported = await run(['import', file], { DATABASE_URL: postgres.url });
    expect([(await exported.ended)[0], (await imported.ended)[0]]).toEqual([0, 0]);
    const { rows } = exported.line as { rows: number };
    expect(rows).toBeGreaterThan(3);
    expect(imported.line).toEqual({ event: 'import', file, rows });

    const node = await SupernodeNode.create(group, {
      nodeId: 'node-1',
      redisUrl: `redis://${LOOPBACK}:${redis.port}`,
      databaseUrl: postgres.url,
    });
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
    const again = await run(['import', file], { DATABASE_URL: postgres.url });
    expect(await again.ended).toEqual([78, null]);
    await database.end();
  }, 180_000);
});
