import type { ChildProcess } from 'node:child_process';
import type { GatewayCheck } from '@parley/edge-client';

/** How the session of a client travels, and how it did. Times are in milliseconds of {@link machineClockMs}. */
export interface ClientState {
  readonly path: 'none' | 'relayed' | 'direct';
  readonly pathLog: readonly (readonly [path: string, at: number])[];
  /** How many sessions this client has had. */
  readonly sessions: number;
  readonly closure: { readonly by: string; readonly code: string | null } | null;
  readonly checksSent: number;
  /** Where its relays are, while it travels relayed. */
  readonly relays: { readonly own?: string; readonly peer?: string } | null;
}

export interface BulkSent {
  readonly bytes: number;
  readonly sha256: string;
}

export interface BulkReceived extends BulkSent {
  /** Bytes by the 10 ms in which they arrived. */
  readonly buckets: readonly (readonly [at: number, bytes: number])[];
}

/** A numbered datagram as it arrived. */
export type Arrival = readonly [sequence: number, sentAt: number, at: number];

export interface Ticks {
  readonly sent: number;
  readonly refused: number;
}

/** What the congestion control of a session sees. */
export interface QuicState {
  readonly rttMs: number;
  readonly congestionWindowBytes: number;
  readonly packetsLost: number;
  readonly packetsSent: number;
}

/** What is special about a client. */
export interface JoinOptions {
  /** The port of its IPv4 socket. */
  readonly port?: number;
  /** Addresses that it claims to have, whatever is true. */
  readonly claims?: readonly { readonly address: string; readonly port: number }[];
  readonly portMapping?: boolean;
}

interface Commands {
  join: {
    params: {
      url: string;
      dataDir: string;
      handle: string;
      autoAccept?: 'contacts' | 'none';
      portMapping?: boolean;
    };
    result: string;
  };
  online: { params: { since: number; ms: number }; result: number };
  gateway: { params?: undefined; result: GatewayCheck };
  portMappingDrops: { params?: undefined; result: Readonly<Record<string, number>> };
  request: { params: { userId: string }; result: null };
  accept: { params: { userId: string }; result: null };
  known: { params: { userId: string }; result: null };
  open: { params: { userId: string; policy?: string; timeoutMs?: number }; result: null };
  take: { params?: undefined; result: null };
  requested: { params: { ms: number }; result: null };
  acceptRequest: { params?: undefined; result: null };
  state: { params?: undefined; result: ClientState };
  travels: { params: { path: 'relayed' | 'direct'; since: number; ms: number }; result: number };
  tick: { params: { everyMs: number }; result: null };
  untick: { params?: undefined; result: Ticks };
  arrivals: { params?: undefined; result: readonly Arrival[] };
  heard: { params: { since: number; ms: number }; result: number };
  heardCount: { params: { count: number; ms: number }; result: null };
  sendBulk: { params: { bytesPerSecond?: number }; result: BulkSent };
  quic: { params?: undefined; result: QuicState };
  stopBulk: { params?: undefined; result: null };
  receiveBulk: { params?: undefined; result: BulkReceived };
  /** The fragments of its paths, which only the other end should know. */
  ufrags: { params?: undefined; result: readonly string[] };
  /** Datagrams that nobody wanted. */
  drops: { params?: undefined; result: number };
  stay: { params: { ms: number }; result: null };
  call: { params: { userId: string }; result: null };
  callState: { params: { state: string; ms: number }; result: number };
  acceptCall: { params?: undefined; result: number };
  callPaths: { params?: undefined; result: readonly string[] };
  hangUp: { params?: undefined; result: null };
  pathsDirect: { params: { ms: number }; result: null };
  restartPath: { params?: undefined; result: null };
  close: { params?: undefined; result: null };
  leave: { params?: undefined; result: null };
}

type Reply =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly code: string; readonly message: string };

/** What a command met in the client's process. */
export class ClientProcessError extends Error {
  override readonly name = 'ClientProcessError';

  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/** An edge client on a machine of the lab. */
export class PathClient {
  userId = '';
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (reply: Reply) => void>();
  #count = 0;

  constructor(
    readonly host: string,
    child: ChildProcess,
  ) {
    this.#child = child;
    child.on('message', (reply: Reply) => {
      this.#waiting.get(reply.id)?.(reply);
      this.#waiting.delete(reply.id);
    });
    child.on('exit', () => {
      const ended = { code: 'PROCESS_ENDED', message: `the client on ${host} ended` };
      for (const [id, settle] of this.#waiting) settle({ id, ...ended });
      this.#waiting.clear();
    });
  }

  /** @throws ClientProcessError with the code that the client met */
  run<Name extends keyof Commands>(
    command: Name,
    ...[params]: Commands[Name]['params'] extends undefined ? [] : [params: Commands[Name]['params']]
  ): Promise<Commands[Name]['result']> {
    this.#count += 1;
    const id = this.#count;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, (reply) => {
        if ('code' in reply) reject(new ClientProcessError(reply.code, `${this.host}: ${reply.message}`));
        else resolve(reply.result as Commands[Name]['result']);
      });
      this.#child.send({ id, command, params });
    });
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGKILL');
    await ended;
  }
}

/** The monotonic clock that all processes of a machine share, in milliseconds. */
export function machineClockMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
