import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { instant } from '@parley/nat';
import { pino } from 'pino';
import { BackgroundTasks } from '../background-tasks.ts';
import { systemClock } from '../clock/system-clock.ts';
import { ClusterEvents } from '../cluster/cluster-events.ts';
import { registerClusterGauges } from '../cluster/cluster-gauges.ts';
import { ClusterOwnership } from '../cluster/cluster-ownership.ts';
import { ClusterCore } from '../cluster/core/cluster-core.ts';
import { DEFAULT_CLUSTER_SETTINGS } from '../cluster/core/cluster-settings.ts';
import { testConfig } from '../config/testing/test-config.ts';
import { createSupernode, type Supernode } from '../create-supernode.ts';
import { seedDataFolder } from '../persistence/testing/test-database.ts';
import { RedisMetrics } from '../redis/redis-metrics.ts';
import { Metrics, type MetricDescription } from './metrics.ts';

const PAGE = path.resolve(import.meta.dirname, '../../../../docs/reference/metrics.md');
let dataFolder: string;
let supernode: Supernode;

beforeAll(async () => {
  dataFolder = await mkdtemp(path.join(tmpdir(), 'parley-metrics-'));
  await seedDataFolder(dataFolder);
  supernode = await createSupernode(testConfig({ SUPERNODE_DATA_DIR: dataFolder }));
}, 60_000);
afterAll(async () => {
  await supernode.stop();
  await rm(dataFolder, { recursive: true, force: true });
});

function rowOf({ name, type, labels, help }: MetricDescription): string {
  return `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${help} |`.replace(
    '|  |',
    '| |',
  );
}

/** Those that a supernode has only with REDIS_URL. */
function clusterMetrics(): readonly MetricDescription[] {
  const metrics = new Metrics({ withProcess: false });
  const before = metrics.described.length;
  const core = new ClusterCore(
    {
      self: {
        nodeId: 'node-a',
        incarnation: 1,
        region: 'default',
        version: '0.1.0',
        roles: ['index'],
        capacity: { connections: 1, relayBytesPerSecond: 1, eventLoopDelayMs: 1 },
        addresses: { edge: 'http://192.0.2.1:8080', stun: null },
      },
      settings: DEFAULT_CLUSTER_SETTINGS,
      nextFraction: () => 0,
    },
    instant(0),
  );
  const ownership = new ClusterOwnership('node-a', core, systemClock, new BackgroundTasks());
  registerClusterGauges(metrics, core, systemClock);
  new ClusterEvents(ownership, pino({ level: 'silent' }), metrics);
  new RedisMetrics(metrics, () => true);
  expect(before).toBe(1);
  return metrics.described.filter(({ name }) => name !== 'parley_drops_total');
}

describe('docs/reference/metrics.md', () => {
  it('lists the metrics of a supernode that runs, and no others', async () => {
    const [alone = '', inCluster = ''] = (await readFile(PAGE, 'utf8')).split('## In a cluster');
    const rowsOf = (text: string) => text.split('\n').filter((line) => line.startsWith('| `parley_'));

    expect(rowsOf(alone)).toEqual(supernode.app.get(Metrics).described.map(rowOf));
    expect(rowsOf(inCluster)).toEqual(clusterMetrics().map(rowOf));
  });
});
