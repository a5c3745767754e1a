import type { ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LoopbackNetwork } from '../../network/loopback-network.ts';
import type { Machine, Network } from '../../network/network.ts';
import { RemoteProcess } from '../../processes/remote-process.ts';
import { startSupernode, type SupernodeProcess } from '../../processes/supernode-process.ts';
import { processTreeCpuSeconds } from '../process-tree-cpu.ts';
import type { CrowdCommands } from './crowd-commands.ts';

const CROWD_ENTRY = fileURLToPath(new URL('./crowd-process.js', import.meta.url));

type CrowdProcess = RemoteProcess<CrowdCommands>;

/** Seconds of processor time so far. */
export interface CpuTimes {
  /** With its database. */
  readonly supernode: number;
  readonly senders: number;
  readonly receivers: number;
}

/** A supernode, a process of senders and one of receivers; sender n and receiver n are contacts. */
export class TwoCrowds {
  readonly #processIds: ReadonlyMap<Machine, number>;
  readonly #folder: string;
  readonly #supernode: SupernodeProcess;

  private constructor(
    readonly size: number,
    folder: string,
    supernode: SupernodeProcess,
    processIds: ReadonlyMap<Machine, number>,
    readonly senders: CrowdProcess,
    readonly receivers: CrowdProcess,
  ) {
    this.#folder = folder;
    this.#supernode = supernode;
    this.#processIds = processIds;
  }

  static async start(size: number): Promise<TwoCrowds> {
    const folder = await mkdtemp(join(tmpdir(), 'parley-bench-'));
    const processIds = new Map<Machine, number>();
    const network = await networkOf(processIds);
    const supernode = await startSupernode(network, join(folder, 'supernode'));
    const start = (machine: 'alice' | 'bob'): CrowdProcess => {
      const child = network.spawn(machine, [CROWD_ENTRY], process.env);
      child.stdout?.pipe(process.stderr);
      return new RemoteProcess<CrowdCommands>(machine, child);
    };
    return new TwoCrowds(size, folder, supernode, processIds, start('alice'), start('bob'));
  }

  get supernode(): { readonly url: string; readonly pid: number } {
    return { url: this.#supernode.url, pid: this.#processIds.get('supernode') ?? Number.NaN };
  }

  get databaseFolder(): string {
    return join(this.#folder, 'supernode');
  }

  /** Resolves with the users of the receivers. */
  async acquaint(): Promise<string[]> {
    const [senders, receivers] = await Promise.all([this.join('senders'), this.join('receivers')]);
    await this.senders.run('request', { userIds: receivers });
    await this.receivers.run('accept', { userIds: senders });
    return receivers;
  }

  async join(side: 'senders' | 'receivers'): Promise<string[]> {
    const { userIds } = await this[side].run('join', {
      ...{ url: this.#supernode.url, folder: this.#folder, handle: side, count: this.size },
      includeLoopback: true,
    });
    return userIds;
  }

  async cpuTimes(): Promise<CpuTimes> {
    const of = (machine: Machine): Promise<number> =>
      processTreeCpuSeconds(this.#processIds.get(machine) ?? Number.NaN);
    const [supernode, senders, receivers] = await Promise.all([of('supernode'), of('alice'), of('bob')]);
    return { supernode, senders, receivers };
  }

  async close(): Promise<void> {
    await Promise.all([this.senders.stop(), this.receivers.stop()]);
    await this.#supernode.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** Loopback, with the embedded database and cheap registration, which is not what is measured. */
async function networkOf(processIds: Map<Machine, number>): Promise<Network> {
  const loopback = await LoopbackNetwork.create('direct');
  return {
    lab: loopback.lab,
    description: loopback.description,
    includeLoopback: loopback.includeLoopback,
    policy: loopback.policy,
    supernodeEnvironment: {
      ...loopback.supernodeEnvironment,
      SUPERNODE_PUZZLE_BITS: '0',
      // Few connections have to bring what many would.
      SUPERNODE_MESSAGE_REQUESTS_PER_SECOND: '10000',
      DATABASE_URL: '',
    },
    spawn: (machine, args, environment): ChildProcess => {
      const child = loopback.spawn(machine, args, environment);
      if (child.pid !== undefined) processIds.set(machine, child.pid);
      return child;
    },
    packets: (participants) => loopback.packets(participants),
    close: () => loopback.close(),
  };
}
