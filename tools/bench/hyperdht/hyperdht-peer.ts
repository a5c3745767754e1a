import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import type { CommandHandlers } from '../../processes/command-messages.ts';
import { machineClockMs } from '../machine-clock.ts';
import type { Bootstrap, HyperdhtCommands } from './hyperdht-commands.ts';
import type { Hyperdht, HyperdhtNode, HyperdhtServer } from './hyperdht-module.ts';

/** One machine of the yardstick: the public nodes, the caller or the callee. */
export class HyperdhtPeer {
  readonly #Hyperdht: Hyperdht;
  readonly #arrivals: number[] = [];
  readonly #waiting: ((at: number) => void)[] = [];
  #nodes: HyperdhtNode[] = [];
  #server: HyperdhtServer | undefined;
  #socket: Duplex | undefined;

  constructor(hyperdht: Hyperdht) {
    this.#Hyperdht = hyperdht;
  }

  readonly handlers: CommandHandlers<HyperdhtCommands> = {
    bootstrap: async ({ host, nodes }) => {
      const known: { host: string; port: number }[] = [];
      for (let n = 0; n < nodes; n += 1) {
        const node = new this.#Hyperdht({
          host,
          port: 0,
          bootstrap: known,
          firewalled: false,
          ephemeral: false,
        });
        await node.fullyBootstrapped();
        known.push({ host, port: node.address().port });
        this.#nodes.push(node);
      }
      return { ports: known.map(({ port }) => port) };
    },
    listen: async (bootstrap) => {
      const server = (await this.#join(bootstrap)).createServer((socket) => {
        socket.on('error', () => socket.destroy());
        socket.once('data', () => this.#arrived(machineClockMs()));
      });
      await server.listen();
      this.#server = server;
      return { publicKey: Buffer.from(server.publicKey).toString('hex') };
    },
    join: async (bootstrap) => {
      await this.#join(bootstrap);
      return null;
    },
    connect: async ({ publicKey }) => {
      const [node] = this.#nodes;
      if (!node) throw new TypeError('join first');
      const beganAt = machineClockMs();
      const socket = node.connect(Buffer.from(publicKey, 'hex'));
      this.#socket = socket;
      await once(socket, 'open');
      socket.on('error', () => socket.destroy());
      socket.write(Buffer.of(1));
      return { beganAt, leftAt: machineClockMs() };
    },
    takeByte: async () => {
      const at = this.#arrivals.shift() ?? (await new Promise<number>((take) => this.#waiting.push(take)));
      return { firstByteAt: at };
    },
    leave: async () => {
      this.#socket?.destroy();
      await this.#server?.close();
      await Promise.all(this.#nodes.map((node) => node.destroy({ force: true })));
      this.#nodes = [];
      this.#server = undefined;
      return null;
    },
  };

  async #join({ host, ports }: Bootstrap): Promise<HyperdhtNode> {
    const node = new this.#Hyperdht({ bootstrap: ports.map((port) => ({ host, port })) });
    await node.fullyBootstrapped();
    this.#nodes.push(node);
    return node;
  }

  #arrived(at: number): void {
    const take = this.#waiting.shift();
    if (take) take(at);
    else this.#arrivals.push(at);
  }
}
