import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { testConfig } from '../config/testing/test-config.ts';
import { createSupernode, type Supernode } from '../create-supernode.ts';
import { seedDataFolder } from '../persistence/testing/test-database.ts';
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

describe('docs/reference/metrics.md', () => {
  it('lists the metrics of a supernode that runs, and no others', async () => {
    const page = await readFile(PAGE, 'utf8');
    const rows = page.split('\n').filter((line) => line.startsWith('| `parley_'));

    expect(rows).toEqual(supernode.app.get(Metrics).described.map(rowOf));
  });
});
