import { once } from 'node:events';
import { createServer, isIPv6, type AddressInfo, type Server, type Socket } from 'node:net';
import { NatError } from '../errors.ts';
import { parseTransportAddress, transportAddress } from '../net/ip-address.ts';
import type { FiveTuple } from '../net/five-tuple.ts';
import type { TransportAddress } from '../net/transport-address.ts';
import type { ConnectionLimit, ConnectionRefusal } from '../turn/connection-limit.ts';
import { monotonicNow } from './monotonic-clock.ts';

/** `accept-failed`: the process has no descriptors left. */
export type TcpRefusal = ConnectionRefusal | 'accept-failed';

export interface TcpListenerEvents {
  onConnection(socket: Socket, tuple: FiveTuple): void;
  onRefused(reason: TcpRefusal): void;
}

/** A bound TCP port whose connections are counted, in all and by source, from accept to close. */
export class TcpListener {
  /** `server` of every five-tuple is this object. */
  readonly address: TransportAddress;
  readonly #server: Server;

  private constructor(server: Server) {
    const { address, port } = server.address() as AddressInfo;
    this.#server = server;
    this.address = transportAddress(address, port);
  }

  /** Connections are cut until {@link serve}. @throws NatError `NAT_BIND_FAILED` */
  static async open(address: string, port: number): Promise<TcpListener> {
    const server = createServer();
    server.listen({ host: address, port, ipv6Only: isIPv6(address) });
    try {
      await once(server, 'listening');
    } catch (cause) {
      throw new NatError('NAT_BIND_FAILED', `Cannot listen on ${address} port ${port} (TCP).`, { cause });
    }
    server.on('connection', cut);
    return new TcpListener(server);
  }

  /** `protocol` is what the five-tuples say: a TLS server takes the sockets over. */
  serve(protocol: 'tcp' | 'tls', limit: ConnectionLimit, events: TcpListenerEvents): void {
    this.#server.off('connection', cut);
    this.#server.on('error', () => {
      events.onRefused('accept-failed');
    });
    this.#server.on('connection', (socket) => {
      const client = remoteAddressOf(socket);
      const refusal = client === undefined ? undefined : limit.admit(client, monotonicNow());
      if (refusal !== undefined) events.onRefused(refusal);
      if (client === undefined || refusal !== undefined) {
        socket.destroy();
        return;
      }
      socket.once('close', () => {
        limit.release(client);
      });
      events.onConnection(socket, { client, server: this.address, protocol });
    });
  }

  /** Accepts no more; open connections are their owners' to end. */
  close(): void {
    this.#server.close();
  }
}

function cut(socket: Socket): void {
  socket.destroy();
}

function remoteAddressOf({ remoteAddress, remotePort }: Socket): TransportAddress | undefined {
  // Link-local IPv6 addresses come with the name of an interface of this host; a connection that is gone has none.
  return parseTransportAddress(remoteAddress?.split('%')[0] ?? '', remotePort ?? 0);
}
