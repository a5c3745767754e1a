import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Machine, Network } from '../../network/network.ts';
import { RemoteProcess } from '../../processes/remote-process.ts';
import { startSupernode, type SupernodeProcess } from '../../processes/supernode-process.ts';
import type { CallCommands } from './call-commands.ts';

const CLIENT_ENTRY = fileURLToPath(new URL('./call-client-process.js', import.meta.url));

type Client = RemoteProcess<CallCommands>;

export interface CalledDevice {
  readonly client: Client;
  readonly deviceId: string;
}

/** A supernode, a caller, and a contact of the caller with two devices, each in a process of its own. */
export class CallParties {
  readonly caller: Client;
  readonly #clients: readonly Client[];
  readonly #network: Network;
  readonly #supernode: SupernodeProcess;
  readonly #folder: string;
  #calleeId = '';
  #devices: readonly CalledDevice[] = [];

  private constructor(network: Network, supernode: SupernodeProcess, folder: string) {
    const start = (machine: Machine): Client => {
      const child = network.spawn(machine, [CLIENT_ENTRY], process.env);
      child.stdout?.pipe(process.stderr);
      return new RemoteProcess<CallCommands>(machine, child);
    };
    this.#network = network;
    this.#supernode = supernode;
    this.#folder = folder;
    this.caller = start('alice');
    this.#clients = [this.caller, start('bob'), start('tablet')];
  }

  static async start(network: Network): Promise<CallParties> {
    const folder = await mkdtemp(join(tmpdir(), 'parley-bench-'));
    const supernode = await startSupernode(network, join(folder, 'supernode'));
    const parties = new CallParties(network, supernode, folder);
    try {
      await parties.#getAcquainted();
      return parties;
    } catch (thrown) {
      await parties.close();
      throw thrown;
    }
  }

  get calleeId(): string {
    return this.#calleeId;
  }

  /** The callee's. */
  get devices(): readonly CalledDevice[] {
    return this.#devices;
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.stop()));
    await this.#supernode.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #getAcquainted(): Promise<void> {
    const [caller, phone, tablet] = this.#clients;
    if (!caller || !phone || !tablet) throw new TypeError('a process is missing');
    const { url } = this.#supernode;
    const { includeLoopback } = this.#network;
    const opened = this.#clients.map((client) =>
      client.run('open', { url, dataDir: join(this.#folder, client.name), includeLoopback }),
    );
    await Promise.all(opened);
    const { userId: callerId } = await caller.run('register', { handle: 'alice' });
    const onPhone = await phone.run('register', { handle: 'bob' });
    const { code } = await tablet.run('linkCode', null);
    await phone.run('approveLink', { code, name: 'tablet' });
    const onTablet = await tablet.run('linked', null);
    await caller.run('request', { userId: onPhone.userId });
    await phone.run('accept', { userId: callerId });
    await tablet.run('waitForContact', { userId: callerId }); // nothing rings before
    await caller.run('waitForContact', { userId: onPhone.userId });
    this.#calleeId = onPhone.userId;
    this.#devices = [
      { client: phone, deviceId: onPhone.deviceId },
      { client: tablet, deviceId: onTablet.deviceId },
    ];
  }
}
