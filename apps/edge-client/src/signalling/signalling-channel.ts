import {
  acknowledgementSchema,
  CLIENT_REQUESTS,
  eventMetaSchema,
  LIMITS,
  SERVER_EVENTS,
  WIRE_ERRORS,
  type Acknowledgement,
  type ClientRequestName,
  type EventOf,
  type RequestInputOf,
  type ResponseOf,
  type ServerEventName,
  type WireError,
} from '@parley/protocol';
import { io, type Socket } from 'socket.io-client';
import type { z } from 'zod';
import { edgeError, EdgeClientError, errorFromWire } from '../errors.ts';
import type { RequestOptions, SendRequest } from './signalling.ts';

/** Why something that the supernode sent was discarded. */
export type ServerDropReason =
  | 'unknown-event'
  | 'malformed-event'
  | 'duplicate-event'
  | 'late-event'
  /** Too many before the answer to the resume that they go on from. */
  | 'early-event';

export interface ChannelListener {
  open(): void;
  /** Before `open`: the supernode could not be reached. */
  failed(error: EdgeClientError): void;
  /** After `open`. */
  lost(): void;
  event<Name extends ServerEventName>(name: Name, event: EventOf<Name>, sequence: number): void;
  drop(reason: ServerDropReason): void;
}

export interface ChannelOptions {
  readonly connectTimeoutMs: number;
  readonly requestTimeoutMs: number;
  /** PEM certificates of authorities to trust. @default those of the process */
  readonly ca?: readonly string[];
}

/** What socket.io adds around a payload: packet type, acknowledgement id, event name. */
const ENVELOPE_BYTES = 128;
const TOO_LARGE: WireError = {
  code: 'PAYLOAD_TOO_LARGE',
  message: WIRE_ERRORS.PAYLOAD_TOO_LARGE.doc,
  retryable: WIRE_ERRORS.PAYLOAD_TOO_LARGE.retryable,
};

/** One socket.io connection, never reused: WebSocket only, everything that arrives is validated by the wire schemas. */
export class SignallingChannel {
  readonly #socket: Socket;
  readonly #options: ChannelOptions;
  readonly #pending = new Set<(error: EdgeClientError) => void>();
  #phase: 'opening' | 'open' | 'ended' = 'opening';

  constructor(url: string, options: ChannelOptions, listener: ChannelListener) {
    this.#options = options;
    this.#socket = io(url, {
      transports: ['websocket'],
      reconnection: false,
      forceNew: true,
      timeout: options.connectTimeoutMs,
      ...(options.ca ? { ca: [...options.ca] } : {}),
    });
    this.#socket.on('connect', () => {
      if (this.#phase !== 'opening') return;
      this.#phase = 'open';
      listener.open();
    });
    this.#socket.on('connect_error', (cause) => {
      if (this.#phase !== 'opening') return;
      this.close();
      listener.failed(edgeError('EDGE_CONNECT_TIMEOUT', { cause }));
    });
    this.#socket.on('disconnect', () => {
      if (this.#phase !== 'open') return;
      this.close();
      listener.lost();
    });
    this.#socket.onAny((name: unknown, ...rest: unknown[]) => {
      if (this.#phase === 'open') this.#receive(name, rest, listener);
    });
  }

  /** @throws PAYLOAD_TOO_LARGE, EDGE_REQUEST_TIMEOUT, EDGE_CONNECTION_LOST, EDGE_PROTOCOL_VIOLATION, or the supernode's code */
  readonly request: SendRequest = <Name extends ClientRequestName>(
    name: Name,
    payload: RequestInputOf<Name>,
    options: RequestOptions = {},
  ): Promise<ResponseOf<Name>> => {
    if (this.#phase !== 'open') return Promise.reject(edgeError('EDGE_CONNECTION_LOST'));
    // The supernode closes the connection over it: sent again after a reconnect, it would close the next one too.
    if (Buffer.byteLength(JSON.stringify(payload)) + ENVELOPE_BYTES > LIMITS.maxMessageBytes) {
      return Promise.reject(errorFromWire(TOO_LARGE));
    }
    return new Promise((resolve, reject) => {
      const settle = (action: () => void) => {
        clearTimeout(timer);
        this.#pending.delete(fail);
        action();
      };
      const fail = (error: EdgeClientError) => settle(() => reject(error));
      const timer = setTimeout(
        () => fail(edgeError('EDGE_REQUEST_TIMEOUT')),
        options.timeoutMs ?? this.#options.requestTimeoutMs,
      );
      this.#pending.add(fail);
      this.#socket.emit(name, payload, (reply: unknown) => {
        settle(() => {
          const parsed = parseReply(name, reply);
          if (parsed instanceof EdgeClientError) reject(parsed);
          else resolve(parsed);
        });
      });
    });
  };

  close(): void {
    if (this.#phase === 'ended') return;
    this.#phase = 'ended';
    this.#socket.disconnect();
    for (const fail of [...this.#pending]) fail(edgeError('EDGE_CONNECTION_LOST'));
  }

  #receive(name: unknown, rest: readonly unknown[], listener: ChannelListener): void {
    if (typeof name !== 'string' || !Object.hasOwn(SERVER_EVENTS, name)) {
      listener.drop('unknown-event');
      return;
    }
    const known = name as ServerEventName;
    const event = SERVER_EVENTS[known].safeParse(rest[0]);
    const meta = eventMetaSchema.safeParse(rest[1]);
    if (!event.success || !meta.success) {
      listener.drop('malformed-event');
      return;
    }
    listener.event(known, event.data, meta.data.sequence);
  }
}

function parseReply<Name extends ClientRequestName>(
  name: Name,
  reply: unknown,
): ResponseOf<Name> | EdgeClientError {
  const schema = acknowledgementSchema(CLIENT_REQUESTS[name].response as z.ZodType);
  const parsed = schema.safeParse(reply);
  if (!parsed.success) return edgeError('EDGE_PROTOCOL_VIOLATION', { cause: parsed.error });
  const acknowledgement = parsed.data as Acknowledgement<ResponseOf<Name>>;
  return acknowledgement.ok ? acknowledgement.data : errorFromWire(acknowledgement.error);
}
