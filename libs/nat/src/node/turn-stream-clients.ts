import type { Socket } from 'node:net';
import type { FiveTuple } from '../net/five-tuple.ts';
import { looksLikeChannelData } from '../turn/channel-data.ts';
import {
  frameForStream,
  MAX_STREAM_MESSAGE_BYTES,
  StreamDeframer,
  type StreamFault,
} from '../turn/stream-framing.ts';

export interface StreamOptions {
  /** Relayed data that waits for a slow reader, in bytes; what exceeds it is dropped. @default 262 144 */
  readonly queueBytes?: number;
  /**
   * What waits for all slow readers together, in bytes. Beyond it a reader that has more than 16 KiB waiting gets no relayed
   * data; others are not made to pay for it. @default 67 108 864
   */
  readonly allQueuesBytes?: number;
  /** Answers that wait beyond it; who asks and does not read is disconnected. @default 65 536 */
  readonly replyBytes?: number;
  /** How long a connection may be without an allocation. @default 30 000 */
  readonly idleMs?: number;
}

/** Relayed data that was not sent. */
export type StreamDropReason = 'slow-reader' | 'queues-full';
/** Why this side ended a connection. */
export type StreamEndReason = StreamFault | 'idle' | 'unread-replies';

export interface StreamStats {
  /** Connections now. */
  readonly open: number;
  readonly accepted: number;
  readonly drops: Readonly<Partial<Record<StreamDropReason, number>>>;
  readonly ended: Readonly<Partial<Record<StreamEndReason, number>>>;
}

export interface StreamServer {
  /** One STUN message or ChannelData; the tuple is the very object that `add` was given. */
  receive(tuple: FiveTuple, bytes: Uint8Array): void;
  closed(tuple: FiveTuple): void;
  holdsAllocation(tuple: FiveTuple): boolean;
}

const DEFAULTS = {
  queueBytes: 256 * 1024,
  allQueuesBytes: 64 * 1024 * 1024,
  replyBytes: 64 * 1024,
  idleMs: 30_000,
};
/** Of who has no allocation: larger than any request, small enough to be kept for thousands. */
const UNPROVEN_MESSAGE_BYTES = 4096;
/** What every reader may have waiting, however many others are slow. */
const SHARE_BYTES = 16 * 1024;
const KEEP_ALIVE_MS = 60_000;
/** Type of a Data indication (RFC 8656 section 17). */
const DATA_INDICATION = 0x0017;

interface Client {
  readonly tuple: FiveTuple;
  readonly socket: Socket;
  readonly deframer: StreamDeframer;
  readonly idle: NodeJS.Timeout;
  isProven: boolean;
  /** What was written and has not left. */
  queuedBytes: number;
}

/** Connections that speak TURN, over TCP or TLS: framing, what may wait for a slow reader, and how long one may idle. */
export class TurnStreamClients {
  readonly #server: StreamServer;
  readonly #options: Required<StreamOptions>;
  readonly #clients = new Map<FiveTuple, Client>();
  readonly #drops: Partial<Record<StreamDropReason, number>> = {};
  readonly #ended: Partial<Record<StreamEndReason, number>> = {};
  #accepted = 0;
  #queuedBytes = 0;

  constructor(server: StreamServer, options: StreamOptions = {}) {
    this.#server = server;
    this.#options = { ...DEFAULTS, ...options };
  }

  /** `head` is what was read of the connection already. */
  add(socket: Socket, tuple: FiveTuple, head?: Uint8Array): void {
    this.#accepted += 1;
    const client: Client = {
      tuple,
      socket,
      deframer: new StreamDeframer(UNPROVEN_MESSAGE_BYTES),
      idle: setTimeout(() => {
        if (this.#server.holdsAllocation(tuple)) client.idle.refresh();
        else this.#end(client, 'idle');
      }, this.#options.idleMs),
      isProven: false,
      queuedBytes: 0,
    };
    this.#clients.set(tuple, client);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    socket.on('error', () => undefined); // 'close' follows and is enough
    socket.once('close', () => {
      this.#forget(client);
    });
    socket.on('data', (chunk: Buffer) => {
      this.#receive(client, chunk);
    });
    if (head !== undefined) this.#receive(client, head);
  }

  send(tuple: FiveTuple, message: Uint8Array): void {
    const client = this.#clients.get(tuple);
    if (client === undefined) return;
    const { queueBytes, replyBytes } = this.#options;
    const waiting = client.socket.writableLength + message.length;
    if (isRelayedData(message)) {
      const reason = this.#dropReason(waiting, message.length);
      if (reason !== undefined) {
        this.#drops[reason] = (this.#drops[reason] ?? 0) + 1;
        return;
      }
    } else if (waiting > queueBytes + replyBytes) {
      this.#end(client, 'unread-replies');
      return;
    }
    this.#write(client, frameForStream(message));
  }

  stats(): StreamStats {
    return {
      open: this.#clients.size,
      accepted: this.#accepted,
      drops: { ...this.#drops },
      ended: { ...this.#ended },
    };
  }

  close(): void {
    for (const client of [...this.#clients.values()]) {
      this.#forget(client);
      client.socket.destroy();
    }
  }

  #dropReason(waiting: number, length: number): StreamDropReason | undefined {
    const { queueBytes, allQueuesBytes } = this.#options;
    if (waiting > queueBytes) return 'slow-reader';
    const isFull = this.#queuedBytes + length > allQueuesBytes && waiting > SHARE_BYTES;
    return isFull ? 'queues-full' : undefined;
  }

  #write(client: Client, bytes: Uint8Array): void {
    client.queuedBytes += bytes.length;
    this.#queuedBytes += bytes.length;
    client.socket.write(bytes, () => {
      // Of a connection that ended everything was given back at once.
      if (this.#clients.get(client.tuple) !== client) return;
      client.queuedBytes -= bytes.length;
      this.#queuedBytes -= bytes.length;
    });
  }

  #receive(client: Client, chunk: Uint8Array): void {
    const { tuple, deframer } = client;
    if (!client.isProven && this.#server.holdsAllocation(tuple)) {
      client.isProven = true;
      deframer.maxMessageBytes = MAX_STREAM_MESSAGE_BYTES;
    }
    const framing = deframer.push(chunk);
    for (const message of framing.messages) {
      // An answer to the message before may have ended the connection.
      if (!this.#clients.has(tuple)) return;
      this.#server.receive(tuple, message);
    }
    if (!framing.ok) this.#end(client, framing.fault);
  }

  #end(client: Client, reason: StreamEndReason): void {
    if (!this.#clients.has(client.tuple)) return;
    this.#ended[reason] = (this.#ended[reason] ?? 0) + 1;
    this.#forget(client);
    client.socket.destroy();
  }

  #forget(client: Client): void {
    clearTimeout(client.idle);
    if (!this.#clients.delete(client.tuple)) return;
    this.#queuedBytes -= client.queuedBytes;
    this.#server.closed(client.tuple);
  }
}

/** What a peer sent: it may be lost, as over UDP. Answers to the client's own requests may not. */
function isRelayedData(message: Uint8Array): boolean {
  return looksLikeChannelData(message) || ((message[0] ?? 0) << 8) + (message[1] ?? 0) === DATA_INDICATION;
}
