import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { parseTransportAddress } from '../../net/ip-address.ts';
import type { TransportAddress } from '../../net/transport-address.ts';
import { looksLikeChannelData } from '../../turn/channel-data.ts';
import { frameForStream, StreamDeframer } from '../../turn/stream-framing.ts';
import { errorCodeOf } from '../udp-socket.ts';
import type { TurnStreamServer } from './endpoint-types.ts';

export interface RelayStreamEvents {
  /** Connected, and over TLS the server is who it should be. */
  ready(server: TransportAddress): void;
  message(bytes: Uint8Array): void;
  /** Once, whatever the cause; nothing follows. */
  closed(code: string): void;
  drop(reason: string): void;
}

export interface RelayStreamOptions {
  readonly server: TurnStreamServer;
  readonly events: RelayStreamEvents;
  /** Roots to trust in place of the well-known ones. */
  readonly ca?: readonly string[] | undefined;
}

/** RFC 7443. */
const ALPN = 'stun.turn';
/** From the first attempt to a server that is ready. */
const CONNECT_LIMIT_MS = 10_000;
/** Data beyond it would be late anyway: about a second at 1 Mbit/s. Requests of the client are few and small. */
const QUEUE_BYTES = 128 * 1024;
const KEEP_ALIVE_MS = 30_000;
/** Type of a Send indication (RFC 8656 section 17). */
const SEND_INDICATION = 0x0016;

/** One connection of a client to a TURN server, over TCP or TLS. */
export class RelayStream {
  readonly #events: RelayStreamEvents;
  readonly #socket: Socket;
  readonly #deframer = new StreamDeframer();
  readonly #limit: NodeJS.Timeout;
  #isClosed = false;

  constructor({ server, events, ca }: RelayStreamOptions) {
    const { transport, host, port } = server;
    this.#events = events;
    this.#limit = setTimeout(() => {
      this.#close('ETIMEDOUT');
    }, CONNECT_LIMIT_MS);
    const servername = isIP(host) === 0 ? { servername: host } : {};
    const trust = ca === undefined ? {} : { ca: [...ca] };
    this.#socket =
      transport === 'tls'
        ? connectTls({ host, port, ALPNProtocols: [ALPN], minVersion: 'TLSv1.2', ...servername, ...trust })
        : connectTcp({ host, port });
    this.#socket.setNoDelay(true);
    this.#socket.setKeepAlive(true, KEEP_ALIVE_MS);
    this.#socket.once(transport === 'tls' ? 'secureConnect' : 'connect', () => {
      this.#ready();
    });
    this.#socket.on('data', (chunk) => {
      this.#receive(chunk);
    });
    this.#socket.on('error', (error) => {
      this.#close(errorCodeOf(error));
    });
    this.#socket.once('close', () => {
      this.#close('ECONNRESET');
    });
  }

  send(message: Uint8Array): void {
    if (this.#isClosed) return;
    const isData = looksLikeChannelData(message) || typeOf(message) === SEND_INDICATION;
    if (isData && this.#socket.writableLength + message.length > QUEUE_BYTES) {
      this.#events.drop('relay-stream-full');
      return;
    }
    this.#socket.write(frameForStream(message));
  }

  /** What was sent before still leaves. */
  end(): void {
    this.#isClosed = true;
    clearTimeout(this.#limit);
    this.#socket.end();
    // A server that does not close its half must not keep this one.
    this.#socket.setTimeout(CONNECT_LIMIT_MS, () => this.#socket.destroy());
    this.#socket.unref();
  }

  #ready(): void {
    clearTimeout(this.#limit);
    const { remoteAddress, remotePort } = this.#socket;
    const server = parseTransportAddress(remoteAddress?.split('%')[0] ?? '', remotePort ?? 0);
    if (server === undefined) this.#close('ECONNRESET');
    else this.#events.ready(server);
  }

  #receive(chunk: Uint8Array): void {
    const framing = this.#deframer.push(chunk);
    for (const message of framing.messages) {
      if (this.#isClosed) return;
      this.#events.message(message);
    }
    if (!framing.ok) this.#close(framing.fault);
  }

  #close(code: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#limit);
    this.#socket.destroy();
    this.#events.closed(code);
  }
}

function typeOf(message: Uint8Array): number {
  return ((message[0] ?? 0) << 8) + (message[1] ?? 0);
}
