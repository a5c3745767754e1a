import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Machine, Network } from '../../network/network.ts';
import { RemoteProcess } from '../../processes/remote-process.ts';
import type { HyperdhtCommands } from './hyperdht-commands.ts';
import { installHyperdht } from './install-hyperdht.ts';

const ENTRY = fileURLToPath(new URL('./hyperdht-process.js', import.meta.url));
/** Its NAT sampler wants four answers of different nodes. */
const PUBLIC_NODES = 5;
const RUN_TIMEOUT_MS = 30_000;

/** Milliseconds from `connect` until the first byte left, and until it arrived. */
export interface HyperdhtRun {
  readonly left: number;
  readonly arrived: number;
}

/** A run that did not connect in time counts as failed, not as slow. */
export interface HyperdhtRuns {
  readonly runs: readonly HyperdhtRun[];
  readonly failed: number;
}

/** Two nodes behind the NATs of `network`, with fresh sockets for each run, and public ones on its server. */
export async function measureHyperdht(network: Network, count: number): Promise<HyperdhtRuns> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-hyperdht-'));
  const processes: RemoteProcess<HyperdhtCommands>[] = [];
  const start = (machine: Machine): RemoteProcess<HyperdhtCommands> => {
    const child = network.spawn(machine, [ENTRY, folder], process.env);
    child.stdout?.pipe(process.stderr);
    const started = new RemoteProcess<HyperdhtCommands>(`hyperdht ${machine}`, child);
    processes.push(started);
    return started;
  };
  try {
    await installHyperdht(folder);
    const [server, caller, callee] = [start('supernode'), start('alice'), start('bob')];
    const host = network.supernodeEnvironment['SUPERNODE_PUBLIC_ADDRESS'] ?? '127.0.0.1';
    const { ports } = await server.run('bootstrap', { host, nodes: PUBLIC_NODES });
    const runs: HyperdhtRun[] = [];
    let failed = 0;
    for (let n = 0; n < count; n += 1) {
      const run = await measureOnce(caller, callee, { host, ports });
      if (run) runs.push(run);
      else failed += 1;
    }
    return { runs, failed };
  } finally {
    await Promise.all(processes.map((one) => one.stop()));
    await rm(folder, { recursive: true, force: true });
  }
}

async function measureOnce(
  caller: RemoteProcess<HyperdhtCommands>,
  callee: RemoteProcess<HyperdhtCommands>,
  bootstrap: { readonly host: string; readonly ports: readonly number[] },
): Promise<HyperdhtRun | undefined> {
  const [{ publicKey }] = await Promise.all([callee.run('listen', bootstrap), caller.run('join', bootstrap)]);
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), RUN_TIMEOUT_MS);
  });
  const taken = callee.run('takeByte', null);
  const connected = caller.run('connect', { publicKey });
  const both = await Promise.race([Promise.all([connected, taken]).catch(() => undefined), tooLate]);
  clearTimeout(timer);
  await Promise.all([caller.run('leave', null), callee.run('leave', null)]);
  if (!both) return undefined;
  const [{ beganAt, leftAt }, { firstByteAt }] = both;
  return { left: leftAt - beganAt, arrived: firstByteAt - beganAt };
}
