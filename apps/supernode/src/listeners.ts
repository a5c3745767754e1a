import { once } from 'node:events';
import type { Server as HttpServer } from 'node:http';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { SupernodeError, errorCodeOf, messageOf } from './errors.ts';

/** Sockets that feed one HTTP server, one for each address. */
export interface Listeners {
  /** `http://address:port` as really bound, in the order of the hosts. */
  readonly urls: readonly [string, ...string[]];
  close(): Promise<void>;
}

/**
 * Binds an HTTP server to several addresses: it listens on the first, and further sockets hand their connections to it.
 * With port 0 all use the port that the first one got.
 *
 * @throws SupernodeError SN_LISTEN_FAILED
 */
export async function listenOn(
  server: HttpServer,
  hosts: readonly string[],
  port: number,
  setting: string,
): Promise<Listeners> {
  const [first = '127.0.0.1', ...others] = hosts;
  const further: Server[] = [];
  try {
    await bind(server, first, port, setting);
    const address = server.address() as AddressInfo;
    for (const host of others) {
      const socket = createServer((connection) => server.emit('connection', connection));
      await bind(socket, host, address.port, setting);
      further.push(socket);
    }
    return {
      urls: [urlOf(first, address.port), ...others.map((host) => urlOf(host, address.port))],
      close: async () => {
        await Promise.all(further.map((socket) => new Promise((resolve) => socket.close(resolve))));
      },
    };
  } catch (error) {
    for (const socket of further) socket.close();
    throw error;
  }
}

async function bind(server: Server, host: string, port: number, setting: string): Promise<void> {
  try {
    server.listen(port, host);
    await once(server, 'listening');
  } catch (cause) {
    const reason = errorCodeOf(cause) === 'EADDRINUSE' ? 'the port is in use' : messageOf(cause);
    throw new SupernodeError(
      'SN_LISTEN_FAILED',
      `${setting}: cannot listen on ${host} port ${port}: ${reason}`,
      { cause },
    );
  }
}

function urlOf(host: string, port: number): string {
  return host.includes(':') ? `http://[${host}]:${port}` : `http://${host}:${port}`;
}
