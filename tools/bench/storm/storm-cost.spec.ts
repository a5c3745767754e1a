import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, describe, expect, it } from '@jest/globals';
import { StormCost } from './storm-cost.ts';

const BURNT_MS = 300;
/** Says when it has used so much processor time, and then waits to be killed. */
const BURN = `
while (process.cpuUsage().user < ${BURNT_MS * 1_000});
process.stdout.write('burnt');
setInterval(() => {}, 1_000);
`;

describe('StormCost', () => {
  const children: ChildProcess[] = [];

  async function burnt(): Promise<number> {
    const child = spawn(process.execPath, ['-e', BURN], { stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(child);
    await once(child.stdout, 'data');
    return child.pid!;
  }

  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
  });

  it('leaves out what was used before, and counts new processes from their start', async () => {
    const [old, lost] = [await burnt(), await burnt()];
    const idle = { clients: [old], Redis: [], PostgreSQL: [] };
    const costs = await StormCost.begin({ ...idle, supernodes: [lost] });

    const cost = await costs.since({ ...idle, supernodes: [await burnt()] });

    expect(cost.supernodes).toBeGreaterThanOrEqual(BURNT_MS - 20);
    expect(cost.clients).toBeLessThan(BURNT_MS / 2);
    expect(cost).toMatchObject({ Redis: 0, PostgreSQL: 0 });
  });
});
