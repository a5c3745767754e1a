import type { ClientRequestName, RequestInputOf, ResponseOf, WireError } from '@parley/protocol';
import type { Socket } from 'node:net';
import { WebSocket } from 'ws';

/** A request that the supernode refused, or that its connection did not outlive. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';

  constructor(
    readonly code: WireError['code'] | 'CLOSED',
    /** What the supernode said; undefined where the connection ended. */
    readonly wire: WireError | undefined,
  ) {
    super(`refused: ${code}`);
  }

  get retryAfterMs(): number {
    return this.wire?.retryAfterMs ?? 0;
  }
}

interface Waiting {
  readonly resolve: (data: unknown) => void;
  readonly reject: (error: Error) => void;
}

type Reply =
  { readonly ok: true; readonly data: unknown } | { readonly ok: false; readonly error: WireError };

/**
 * A connection to the edge gateway that costs the machine as little as possible: packets of Engine.IO 4 and Socket.IO 5
 * are written and read here as text, and nothing is checked that the caller does not look at.
 */
export class BareConnection {
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, Waiting>();
  #transport: Socket | undefined;
  #nextId = 0;
  /** `sequence`: the number that a resume counts from; 0 where an event has none. */
  onEvent: (name: string, payload: unknown, sequence: number) => void = () => undefined;
  onClose: () => void = () => undefined;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on('upgrade', (response) => (this.#transport = response.socket));
    socket.on('message', (data: Buffer) => this.#receive(data.toString('utf8')));
    socket.on('close', () => {
      this.#fail(new RefusedError('CLOSED', undefined));
      this.onClose();
    });
  }

  /** @throws what the transport says, and RefusedError CLOSED; also after `signal` */
  static async open(url: string, signal?: AbortSignal): Promise<BareConnection> {
    const address = new URL('/socket.io/?EIO=4&transport=websocket', url.replace(/^http/, 'ws'));
    const socket = new WebSocket(address, { perMessageDeflate: false });
    const connection = new BareConnection(socket);
    signal?.addEventListener('abort', () => socket.terminate(), { once: true });
    await new Promise<void>((resolve, reject) => {
      connection.#waiting.set(-1, { resolve: () => resolve(), reject });
      socket.on('error', reject);
    });
    return connection;
  }

  /** @throws RefusedError */
  request<Name extends ClientRequestName>(
    name: Name,
    payload: RequestInputOf<Name>,
  ): Promise<ResponseOf<Name>> {
    const id = this.#nextId++;
    this.#socket.send(`42${id}["${name}",${JSON.stringify(payload)}]`);
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: (data) => resolve(data as ResponseOf<Name>), reject });
    });
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#socket.once('close', () => resolve()));
    this.#socket.close();
    await closed;
  }

  /** What travelled so far, both ways, with what frames it. */
  get bytes(): number {
    return this.#transport ? this.#transport.bytesRead + this.#transport.bytesWritten : 0;
  }

  /** Ends it without a word. */
  drop(): void {
    this.#socket.terminate();
  }

  #receive(text: string): void {
    if (text.startsWith('42')) {
      const [name, payload, meta] = JSON.parse(text.slice(2)) as [string, unknown, { sequence: number }];
      this.onEvent(name, payload, meta.sequence);
    } else if (text.startsWith('43')) {
      const bodyAt = text.indexOf('[');
      const [reply] = JSON.parse(text.slice(bodyAt)) as [Reply];
      const waiting = this.#take(Number(text.slice(2, bodyAt)));
      if (reply.ok) waiting?.resolve(reply.data);
      else waiting?.reject(new RefusedError(reply.error.code, reply.error));
    } else if (text === '2') {
      this.#socket.send('3');
    } else if (text.startsWith('0')) {
      this.#socket.send('40');
    } else if (text.startsWith('40')) {
      this.#take(-1)?.resolve(undefined);
    }
  }

  #take(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting;
  }

  #fail(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
