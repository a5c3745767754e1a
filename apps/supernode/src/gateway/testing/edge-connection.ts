import { createHash } from 'node:crypto';
import {
  CLIENT_REQUESTS,
  decodeBase64url,
  encodeBase64url,
  leadingZeroBits,
  puzzleInput,
  SERVER_EVENTS,
  acknowledgementSchema,
  type Acknowledgement,
  type ClientRequestName,
  type EventMeta,
  type EventOf,
  type RequestInputOf,
  type ResponseOf,
  type ServerEventName,
  type WireErrorCode,
} from '@parley/protocol';
import { io, type Socket } from 'socket.io-client';
import { z } from 'zod';
import { SupernodeError } from '../../errors.ts';

const DEADLINE_MS = 20_000;

/** An event as a client received it. */
export interface ReceivedEvent<Name extends ServerEventName = ServerEventName> {
  readonly name: Name;
  readonly payload: EventOf<Name>;
  readonly sequence: number;
}

/** A raw socket.io connection that checks everything it receives against the schemas. */
export class EdgeConnection {
  readonly events: ReceivedEvent[] = [];
  private readonly waiting = new Set<() => void>();

  private constructor(readonly socket: Socket) {
    socket.onAny((name: ServerEventName, payload: unknown, meta: EventMeta) => {
      const parsed = SERVER_EVENTS[name].parse(payload) as EventOf<ServerEventName>;
      this.events.push({ name, payload: parsed, sequence: meta.sequence });
      this.wake();
    });
    socket.on('disconnect', () => this.wake());
  }

  static async open(
    url: string,
    options: { extraHeaders?: Record<string, string> } = {},
  ): Promise<EdgeConnection> {
    const socket = io(url, { transports: ['websocket'], reconnection: false, forceNew: true, ...options });
    const connection = new EdgeConnection(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('connect_error', reject);
    });
    return connection;
  }

  /** Sends anything and returns the checked acknowledgement. */
  async send<Name extends ClientRequestName>(
    name: Name,
    payload: unknown,
  ): Promise<Acknowledgement<ResponseOf<Name>>> {
    const reply: unknown = await this.socket.timeout(DEADLINE_MS).emitWithAck(name, payload);
    const schema = acknowledgementSchema(responseSchemaOf(name));
    return schema.parse(reply) as Acknowledgement<ResponseOf<Name>>;
  }

  /** The response of a request that must succeed. */
  async request<Name extends ClientRequestName>(
    name: Name,
    payload: RequestInputOf<Name>,
  ): Promise<ResponseOf<Name>> {
    const reply = await this.send(name, payload);
    if (!reply.ok)
      throw new SupernodeError('SN_INVARIANT', `${name}: ${reply.error.code} ${reply.error.message}`);
    return reply.data;
  }

  /** The code of a request that must be refused; undefined when it succeeded. */
  async refusal(name: ClientRequestName, payload: unknown): Promise<WireErrorCode | undefined> {
    const reply = await this.send(name, payload);
    return reply.ok ? undefined : reply.error.code;
  }

  /** The first event of this name, received already or to come. */
  async event<Name extends ServerEventName>(name: Name): Promise<ReceivedEvent<Name>> {
    await this.until(() => this.events.some((event) => event.name === name), `event ${name}`);
    return this.events.find((event) => event.name === name) as ReceivedEvent<Name>;
  }

  async disconnected(): Promise<void> {
    await this.until(() => !this.socket.connected, 'disconnect');
  }

  async until(isDone: () => boolean, what: string): Promise<void> {
    if (isDone()) return;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiting.delete(look);
        const seen = this.events.map((event) => event.name).join(', ');
        reject(new SupernodeError('SN_INVARIANT', `no ${what} in time; seen: ${seen}`));
      }, DEADLINE_MS);
      const look = (): void => {
        if (!isDone()) return;
        clearTimeout(timer);
        this.waiting.delete(look);
        resolve();
      };
      this.waiting.add(look);
    });
  }

  challenge(): Promise<ResponseOf<'challenge'>> {
    return this.request('challenge', { versions: [1] });
  }

  /** Ends the connection as a broken network does: no sign-off, and the server sees the transport close. */
  close(): void {
    this.socket.disconnect();
  }

  private wake(): void {
    for (const look of [...this.waiting]) look();
  }
}

/** Tests send events that the protocol does not have: any answer to those is an error. */
function responseSchemaOf(name: string): z.ZodType {
  return Object.hasOwn(CLIENT_REQUESTS, name)
    ? CLIENT_REQUESTS[name as ClientRequestName].response
    : z.never();
}

/** Solves a puzzle as a client does. */
export function solve({ challenge, difficultyBits }: ResponseOf<'register.puzzle'>): {
  challenge: string;
  solution: string;
} {
  const bytes = decodeBase64url(challenge) ?? new Uint8Array();
  const solution = Buffer.alloc(8);
  for (let attempt = 0; ; attempt++) {
    solution.writeDoubleBE(attempt);
    const digest = createHash('sha256').update(puzzleInput(bytes, solution)).digest();
    if (leadingZeroBits(digest) >= difficultyBits) return { challenge, solution: encodeBase64url(solution) };
  }
}
