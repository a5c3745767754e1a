import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import type { Server as HttpServer } from 'node:http';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { constantTimeEqual, type TransportAddress } from '@parley/nat';
import { SupernodeError, messageOf } from './errors.ts';
import { decodeSpliceHeader } from './nat/splice-header.ts';

/** Where the relay thread brings HTTP connections of the TLS port; the secret must precede each of them. */
export interface HttpInletAddress {
  /** A Unix socket in a folder that only this user may enter; without Unix sockets a port of the loopback interface. */
  readonly at: { readonly path: string } | { readonly port: number };
  readonly secret: Uint8Array;
}

export interface HttpInlet {
  readonly address: HttpInletAddress;
  /** Takes no more connections; those that HTTP has are ended by the HTTP server. */
  close(): Promise<void>;
}

export interface HttpInletOptions {
  readonly onDrop: (reason: 'inlet-header' | 'inlet-secret') => void;
  /** @default a Unix socket where there are any */
  readonly kind?: 'unix' | 'loopback';
}

const spliced = new WeakSet<Socket>();

/** Whether the connection came through the TLS port: its address is that of whoever connected there, not a proxy's word. */
export function isSpliced(socket: Socket): boolean {
  return spliced.has(socket);
}

const SECRET_BYTES = 32;
/** The header comes from this very process, at once. */
const HEADER_LIMIT_MS = 5_000;

/**
 * Lets an HTTP server serve connections that another thread accepted and decrypted, and see the address of the true client.
 *
 * @throws SupernodeError SN_LISTEN_FAILED
 */
export async function openHttpInlet(http: HttpServer, options: HttpInletOptions): Promise<HttpInlet> {
  const secret = new Uint8Array(randomBytes(SECRET_BYTES));
  const waiting = new Set<Socket>();
  const server = createServer((socket) => {
    waiting.add(socket);
    const limit = setTimeout(() => socket.destroy(), HEADER_LIMIT_MS);
    const settle = (): void => {
      clearTimeout(limit);
      waiting.delete(socket);
    };
    socket.once('close', settle);
    readHeader(socket, secret, (outcome) => {
      settle();
      if (outcome === 'inlet-header' || outcome === 'inlet-secret') {
        options.onDrop(outcome);
        socket.destroy();
      } else {
        http.emit('connection', withTrueEnds(socket, outcome));
      }
    });
  });
  const place = await listen(server, options.kind ?? (process.platform === 'win32' ? 'loopback' : 'unix'));
  return {
    address: { at: place.at, secret },
    close: async () => {
      server.close();
      for (const socket of waiting) socket.destroy();
      await place.remove();
    },
  };
}

interface TrueEnds {
  readonly client: TransportAddress;
  readonly server: TransportAddress;
}

/** Listens until the header is complete; what follows it is put back. */
function readHeader(
  socket: Socket,
  secret: Uint8Array,
  done: (outcome: TrueEnds | 'inlet-header' | 'inlet-secret') => void,
): void {
  let head: Buffer = Buffer.alloc(0);
  const onData = (chunk: Buffer): void => {
    head = Buffer.concat([head, chunk]);
    const decoded = decodeSpliceHeader(head);
    if (decoded.kind === 'incomplete') return;
    socket.off('data', onData);
    if (decoded.kind === 'malformed') {
      done('inlet-header');
      return;
    }
    const { header, length } = decoded;
    if (!constantTimeEqual(header.secret, secret)) {
      done('inlet-secret');
      return;
    }
    socket.pause();
    if (head.length > length) socket.unshift(head.subarray(length));
    done(header);
    socket.resume();
  };
  socket.on('data', onData);
  socket.on('error', () => socket.destroy()); // the other end is gone: HTTP hears of the close
}

/** What asks a request for its socket's address gets the client's, and sees that the connection is encrypted. */
function withTrueEnds(socket: Socket, { client, server }: TrueEnds): Socket {
  const family = client.family === 'ipv4' ? 'IPv4' : 'IPv6';
  const ends = {
    remoteAddress: client.address,
    remotePort: client.port,
    remoteFamily: family,
    localAddress: server.address,
    localPort: server.port,
    localFamily: family,
    encrypted: true,
  };
  spliced.add(socket);
  for (const [name, value] of Object.entries(ends)) Object.defineProperty(socket, name, { value });
  return socket;
}

async function listen(
  server: Server,
  kind: 'unix' | 'loopback',
): Promise<{ at: HttpInletAddress['at']; remove: () => Promise<void> }> {
  try {
    if (kind === 'loopback') {
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      return { at: { port: (server.address() as AddressInfo).port }, remove: () => Promise.resolve() };
    }
    // The folder has mode 0700; the system's one for temporary files, because a socket's path may not be long.
    const folder = await mkdtemp(path.join(tmpdir(), 'parley-'));
    const at = { path: path.join(folder, 'http') };
    server.listen(at);
    await once(server, 'listening');
    return { at, remove: () => rm(folder, { recursive: true, force: true }) };
  } catch (cause) {
    throw new SupernodeError('SN_LISTEN_FAILED', `SUPERNODE_TLS_PORT: no inlet: ${messageOf(cause)}`, {
      cause,
    });
  }
}
