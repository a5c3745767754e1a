import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LabError } from './errors.ts';
import type { Lab } from './lab.ts';

/** Also when this module is a compiled one. */
const DOOR_PROGRAM = fileURLToPath(
  new URL(`${import.meta.url.endsWith('.ts') ? '.' : '../../natlab'}/loopback-door.mjs`, import.meta.url),
);

/** Whoever said all may still listen. */
const HALF_OPEN = { allowHalfOpen: true };

/**
 * Lets programs on machines of a lab reach servers on loopback outside of it, such as a database, at the same port of their own
 * loopback. Nothing of it passes the lab's network, its delays and its counters: network namespaces share the file system.
 */
export class LoopbackBridge {
  readonly #folder: string;
  readonly #ports: readonly number[];
  readonly #servers: readonly Server[];
  readonly #sockets: Set<Socket>;

  private constructor(
    folder: string,
    ports: readonly number[],
    servers: readonly Server[],
    sockets: Set<Socket>,
  ) {
    this.#folder = folder;
    this.#ports = ports;
    this.#servers = servers;
    this.#sockets = sockets;
  }

  static async open(ports: readonly number[]): Promise<LoopbackBridge> {
    const folder = await mkdtemp(join(tmpdir(), 'parley-bridge-'));
    const sockets = new Set<Socket>();
    const servers = ports.map((port) => createServer(HALF_OPEN, (near) => passOn(near, port, sockets)));
    await Promise.all(
      servers.map((server, at) => once(server.listen(pathIn(folder, ports[at])), 'listening')),
    );
    return new LoopbackBridge(folder, ports, servers, sockets);
  }

  /** Resolves when the ports are there on this machine; the program ends with the lab. */
  async lead(lab: Lab, host: string): Promise<void> {
    const doors = this.#ports.map((port) => `${port}=${pathIn(this.#folder, port)}`);
    const child = lab.spawn(host, process.execPath, [DOOR_PROGRAM, ...doors], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    if (child.stdout === null) throw new LabError('LAB_COMMAND_FAILED', 'it has no output');
    const [said] = (await Promise.race([once(child.stdout, 'data'), once(child, 'exit')])) as unknown[];
    if (String(said) !== 'ready\n')
      throw new LabError(
        'LAB_COMMAND_FAILED',
        `no way from ${host} to loopback outside: ${String(said).trim()}`,
      );
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(this.#servers.map((server) => once(server.close(), 'close')));
    await rm(this.#folder, { recursive: true, force: true });
  }
}

function pathIn(folder: string, port: number | undefined): string {
  return join(folder, String(port));
}

function passOn(near: Socket, port: number, sockets: Set<Socket>): void {
  const far = connect({ port, host: '127.0.0.1', ...HALF_OPEN });
  near.pipe(far).pipe(near);
  for (const [socket, other] of [
    [near, far],
    [far, near],
  ] as const) {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => other.destroy());
  }
}
