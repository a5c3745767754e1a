import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Network } from '../../network/network.ts';
import { RemoteProcess } from '../../processes/remote-process.ts';
import { startSupernode, type SupernodeProcess } from '../../processes/supernode-process.ts';
import type { ClientCommands } from './client-commands.ts';

const CLIENT_ENTRY = fileURLToPath(new URL('./client-process.js', import.meta.url));

type Client = RemoteProcess<ClientCommands>;

/** A supernode and two edge clients that are contacts, each in a process of its own. */
export class AcquaintedPair {
  readonly caller: Client;
  readonly callee: Client;
  readonly #network: Network;
  readonly #supernode: SupernodeProcess;
  readonly #folder: string;
  #calleeId = '';

  private constructor(network: Network, supernode: SupernodeProcess, folder: string) {
    const start = (machine: 'alice' | 'bob'): Client => {
      const child = network.spawn(machine, [CLIENT_ENTRY], process.env);
      child.stdout?.pipe(process.stderr);
      return new RemoteProcess<ClientCommands>(machine, child);
    };
    this.#network = network;
    this.#supernode = supernode;
    this.#folder = folder;
    this.caller = start('alice');
    this.callee = start('bob');
  }

  static async start(network: Network): Promise<AcquaintedPair> {
    const folder = await mkdtemp(join(tmpdir(), 'parley-bench-'));
    const supernode = await startSupernode(network, join(folder, 'supernode'));
    const pair = new AcquaintedPair(network, supernode, folder);
    const [callerId, calleeId] = await pair.join();
    await pair.caller.run('request', { userId: calleeId });
    await pair.callee.run('accept', { userId: callerId });
    await pair.caller.run('waitForContact', { userId: calleeId });
    return pair;
  }

  get calleeId(): string {
    return this.#calleeId;
  }

  /** Both connect; after `leave`, again with sockets that no NAT has seen before. */
  async join(): Promise<[callerId: string, calleeId: string]> {
    const joined = [this.caller, this.callee].map(async (client) => {
      const dataDir = join(this.#folder, client.name);
      const { url } = this.#supernode;
      const { includeLoopback } = this.#network;
      const { userId } = await client.run('join', { url, dataDir, handle: client.name, includeLoopback });
      return userId;
    });
    const [callerId = '', calleeId = ''] = await Promise.all(joined);
    this.#calleeId = calleeId;
    return [callerId, calleeId];
  }

  async leave(): Promise<void> {
    await Promise.all([this.caller.run('leave', null), this.callee.run('leave', null)]);
  }

  async close(): Promise<void> {
    await Promise.all([this.caller.stop(), this.callee.stop()]);
    await this.#supernode.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
