import { once } from 'node:events';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { SupernodeError, errorCodeOf, messageOf } from './errors.ts';

/** Where a listener is to be; `setting` is what an operator would change. */
export interface ListenOptions {
  readonly hosts: readonly string[];
  readonly port: number;
  readonly setting: string;
  /** TCP connections at one time per address; more are closed at once. @default no limit */
  readonly maxConnections?: number;
  /** @default 'http' */
  readonly scheme?: 'http' | 'https';
}

/** `http://address:port` as really bound, in the order of the hosts. */
export type BoundUrls = readonly [string, ...string[]];

/**
 * Binds a server to several addresses: it listens on the first, and further sockets hand their connections to it. With
 * port 0 all use the port that the first one got.
 *
 * @param owner - the server with which all of them close
 * @throws SupernodeError SN_LISTEN_FAILED
 */
export async function listenOn(
  server: Server,
  options: ListenOptions,
  owner: Server = server,
): Promise<BoundUrls> {
  const { hosts, port, setting, maxConnections, scheme = 'http' } = options;
  const [first = '127.0.0.1', ...others] = hosts;
  if (maxConnections !== undefined) server.maxConnections = maxConnections;
  await bind(server, first, port, setting);
  if (owner !== server) closeWith(owner, server);
  const { port: boundPort } = server.address() as AddressInfo;
  for (const host of others) {
    const further = createServer((connection) => server.emit('connection', connection));
    if (maxConnections !== undefined) further.maxConnections = maxConnections;
    await bind(further, host, boundPort, setting);
    closeWith(owner, further);
  }
  return [urlOf(scheme, first, boundPort), ...others.map((host) => urlOf(scheme, host, boundPort))];
}

/** A closing server waits for its connections, and those of `further` are among them: both stop accepting at once. */
function closeWith(server: Server, further: Server): void {
  const close = server.close.bind(server);
  server.close = (callback) => {
    further.close();
    return close(callback);
  };
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
      {
        cause,
      },
    );
  }
}

/** `http://192.0.2.1:80`, `https://[2001:db8::1]:443` */
export function urlOf(scheme: string, host: string, port: number): string {
  return host.includes(':') ? `${scheme}://[${host}]:${port}` : `${scheme}://${host}:${port}`;
}
