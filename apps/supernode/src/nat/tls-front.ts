import { connect, type Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { ConnectionLimit, type ConnectionLimits, type FiveTuple } from '@parley/nat';
import { TcpListener, type TcpRefusal, type TurnServerDriver } from '@parley/nat/node';
import { SupernodeError } from '../errors.ts';
import type { HttpInletAddress } from '../http-inlet.ts';
import {
  certifiedHost,
  readCertificate,
  watchCertificate,
  type CertificateFiles,
} from '../tls-certificate.ts';
import { encodeSpliceHeader } from './splice-header.ts';

/** Everything that the TLS port needs; plain data, because it crosses a thread boundary. */
export interface TlsSettings extends CertificateFiles {
  readonly hosts: readonly string[];
  /** What clients see of each host. */
  readonly visible: readonly string[];
  readonly port: number;
  readonly limits: ConnectionLimits;
  readonly inlet: HttpInletAddress;
}

/** A bound TLS listener. */
export interface BoundTls {
  readonly address: string;
  readonly port: number;
  /** What clients must call it for the certificate to be right; undefined where the certificate names nothing usable. */
  readonly host: string | undefined;
}

export type TlsDropReason = TcpRefusal | 'handshake-failed' | 'unknown-alpn' | 'silent' | 'inlet-unreachable';

export interface TlsFrontStats {
  /** Connections now, whatever they speak. */
  readonly open: number;
  /** Connections by what they spoke. */
  readonly served: Readonly<Record<'turn' | 'http', number>>;
  readonly drops: Readonly<Partial<Record<TlsDropReason, number>>>;
}

export interface TlsFrontEvents {
  /** The certificate was loaded again; with an error the old one stays. */
  onCertificate(error?: SupernodeError): void;
}

/** RFC 7443: `stun.nat-discovery` is STUN without TURN, which the same server speaks. */
const TURN_ALPN = ['stun.turn', 'stun.nat-discovery'];
const HTTP_ALPN = 'http/1.1';
/** OpenSSL's word for a handshake that ended because nothing was chosen. */
const NO_COMMON_ALPN = 'ERR_SSL_NO_APPLICATION_PROTOCOL';
/** From the first TCP segment to the end of the handshake, and from there to the first byte. */
const PATIENCE_MS = 10_000;
/** A client that reads slowly may take this long for what HTTP left when it closed. */
const LINGER_MS = 30_000;
/** All methods of STUN and TURN are below 0x100, so a first byte is 0 or 1; no HTTP request begins with a control character but CR and LF. */
const MAX_STUN_FIRST_BYTE = 3;

type Driver = Pick<TurnServerDriver, 'acceptStream'>;

/**
 * The one TLS port (DESIGN 6.11), in the relay thread: TURN is served here, HTTP and WebSocket are passed on, decrypted, to the
 * HTTP server of the main thread. What a connection speaks is told by ALPN (RFC 7443), else by its first byte.
 */
export class TlsFront {
  private readonly settings: TlsSettings;
  private readonly driver: Driver;
  private readonly listeners: TcpListener[] = [];
  private readonly servers: Server[] = [];
  private readonly sockets = new Set<Socket>();
  private readonly served = { turn: 0, http: 0 };
  private readonly drops: Partial<Record<TlsDropReason, number>> = {};
  private unwatch: () => void = () => undefined;
  bound: readonly BoundTls[] = [];

  private constructor(settings: TlsSettings, driver: Driver) {
    this.settings = settings;
    this.driver = driver;
  }

  /** @throws SupernodeError `SN_TLS_INVALID`, NatError `NAT_BIND_FAILED` */
  static async open(settings: TlsSettings, driver: Driver, events: TlsFrontEvents): Promise<TlsFront> {
    const front = new TlsFront(settings, driver);
    try {
      await front.listen(events);
      return front;
    } catch (error) {
      front.close();
      throw error;
    }
  }

  stats(): TlsFrontStats {
    return { open: this.sockets.size, served: { ...this.served }, drops: { ...this.drops } };
  }

  /** Also cuts the connections that it passes on; those of TURN are the driver's. */
  close(): void {
    this.unwatch();
    for (const listener of this.listeners) listener.close();
    for (const socket of this.sockets) socket.destroy();
  }

  private async listen(events: TlsFrontEvents): Promise<void> {
    const { hosts, visible, limits } = this.settings;
    const certificate = await readCertificate(this.settings);
    const limit = new ConnectionLimit(limits);
    let { port } = this.settings;
    const bound: BoundTls[] = [];
    for (const [index, host] of hosts.entries()) {
      const listener = await TcpListener.open(host, port);
      this.listeners.push(listener);
      ({ port } = listener.address);
      bound.push({ address: host, port, host: certifiedHost(certificate, visible[index] ?? host) });
      this.serve(listener, limit, certificate);
    }
    this.bound = bound;
    this.unwatch = watchCertificate(this.settings, (outcome) => {
      if (outcome instanceof SupernodeError) {
        events.onCertificate(outcome);
        return;
      }
      for (const server of this.servers) server.setSecureContext(outcome);
      events.onCertificate();
    });
  }

  /** One TLS server for each listener: a client's address and port are then enough to name a connection. */
  private serve(
    listener: TcpListener,
    limit: ConnectionLimit,
    certificate: { readonly cert: Buffer; readonly key: Buffer },
  ): void {
    const tuples = new Map<string, FiveTuple>();
    const server = createServer({
      ...certificate,
      minVersion: 'TLSv1.2',
      handshakeTimeout: PATIENCE_MS,
      ALPNCallback: ({ protocols }) =>
        protocols.find((name) => name === HTTP_ALPN || TURN_ALPN.includes(name)),
    });
    this.servers.push(server);
    server.on('tlsClientError', (error: NodeJS.ErrnoException) => {
      this.drop(error.code === NO_COMMON_ALPN ? 'unknown-alpn' : 'handshake-failed');
    });
    server.on('secureConnection', (socket) => {
      const tuple = tuples.get(`${socket.remoteAddress ?? ''}|${socket.remotePort ?? 0}`);
      if (tuple === undefined) socket.destroy();
      else this.tellApart(socket, tuple);
    });
    listener.serve('tls', limit, {
      onConnection: (socket, tuple) => {
        const key = `${socket.remoteAddress ?? ''}|${socket.remotePort ?? 0}`;
        tuples.set(key, tuple);
        this.sockets.add(socket);
        socket.once('close', () => {
          tuples.delete(key);
          this.sockets.delete(socket);
        });
        server.emit('connection', socket);
      },
      onRefused: (reason) => {
        this.drop(reason);
      },
    });
  }

  private tellApart(socket: TLSSocket, tuple: FiveTuple): void {
    if (socket.alpnProtocol === HTTP_ALPN) {
      this.passOn(socket, tuple);
      return;
    }
    if (socket.alpnProtocol !== false && TURN_ALPN.includes(socket.alpnProtocol ?? '')) {
      this.takeTurn(socket, tuple);
      return;
    }
    const patience = setTimeout(() => {
      this.drop('silent');
      socket.destroy();
    }, PATIENCE_MS);
    const onError = (): void => undefined; // 'close' follows
    socket.on('error', onError);
    socket.once('close', () => {
      clearTimeout(patience);
    });
    socket.once('data', (head: Buffer) => {
      clearTimeout(patience);
      socket.off('error', onError);
      const first = head[0] ?? 0;
      if (first <= MAX_STUN_FIRST_BYTE) this.takeTurn(socket, tuple, head);
      else this.passOn(socket, tuple, head);
    });
  }

  private takeTurn(socket: TLSSocket, tuple: FiveTuple, head?: Uint8Array): void {
    this.served.turn += 1;
    this.driver.acceptStream(socket, tuple, head);
  }

  private passOn(socket: TLSSocket, tuple: FiveTuple, head?: Uint8Array): void {
    this.served.http += 1;
    const { at, secret } = this.settings.inlet;
    const inlet = connect('path' in at ? at : { ...at, host: '127.0.0.1' });
    inlet.setNoDelay(true);
    socket.setNoDelay(true);
    inlet.write(encodeSpliceHeader({ client: tuple.client, server: tuple.server, secret }));
    if (head !== undefined) inlet.write(head);
    let isConnected = false;
    inlet.once('connect', () => (isConnected = true));
    inlet.on('error', () => {
      if (!isConnected) this.drop('inlet-unreachable');
      socket.destroy();
    });
    socket.on('error', () => {
      inlet.destroy();
    });
    inlet.once('close', () => socket.setTimeout(LINGER_MS, () => socket.destroy()));
    socket.once('close', () => inlet.destroy());
    socket.pipe(inlet);
    inlet.pipe(socket);
  }

  private drop(reason: TlsDropReason): void {
    this.drops[reason] = (this.drops[reason] ?? 0) + 1;
  }
}
