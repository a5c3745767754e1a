import type { Socket } from 'node:dgram';
import type { Socket as StreamSocket } from 'node:net';
import { performance } from 'node:perf_hooks';
import type { NatCrypto } from '../crypto/crypto.port.ts';
import type { FiveTuple } from '../net/five-tuple.ts';
import type { TransportAddress } from '../net/transport-address.ts';
import { StunServer } from '../stun/stun-server.ts';
import { instant, type Instant } from '../time/instant.ts';
import { StunTurnFront, type FrontOutput, type FrontStats } from '../turn/server/stun-turn-front.ts';
import type {
  RelayId,
  TurnServerEvent,
  TurnServerInput,
  TurnServerOptions,
} from '../turn/server/turn-server-types.ts';
import { TurnServer } from '../turn/server/turn-server.ts';
import { ConnectionLimit, type ConnectionLimits } from '../turn/connection-limit.ts';
import type { FlowServerControl } from '../flow/flow-server-types.ts';
import {
  FlowServerDriver,
  type FlowDriverStats,
  type FlowServerDriverOptions,
} from './flow-server-driver.ts';
import { nodeCrypto } from './node-crypto.ts';
import type { TcpListener, TcpRefusal } from './tcp-listener.ts';
import { openListeners, type BoundListeners, type TurnListen } from './turn-listeners.ts';
import {
  TurnStreamClients,
  type StreamOptions,
  type StreamServer,
  type StreamStats,
} from './turn-stream-clients.ts';
import { newUdpSocket, senderOf } from './udp-socket.ts';

/** What of a {@link TurnListen} was bound. */
export interface TurnListener {
  readonly primary: TransportAddress;
  readonly alternatePort: number | undefined;
}

export interface TurnServerDriverOptions {
  readonly listen: readonly TurnListen[];
  readonly turn: Omit<TurnServerOptions, 'crypto' | 'epochMillisAt'>;
  readonly onEvent?: (event: TurnServerEvent) => void;
  /** Asked of the system for every socket, which may give less. @default 4 MiB for listeners, 256 KiB for relays */
  readonly bufferBytes?: { readonly listener: number; readonly relay: number };
  /** Connections over TCP, of all listeners together. @default 4096, 1024 of one source */
  readonly connections?: ConnectionLimits;
  /** Of every connection, over TCP and over TLS. */
  readonly streams?: StreamOptions;
  /** Registered flows and the relay between them, on the same sockets. */
  readonly flow?: Pick<FlowServerDriverOptions, 'limits' | 'onEvent'>;
  readonly crypto?: NatCrypto;
}

/** What an operator may change while the server runs. */
export type TurnServerControl = Extract<
  TurnServerInput,
  { kind: 'set-secrets' | 'revoke' | 'set-quotas' | 'set-relay-addresses' }
>;

export interface TurnDriverStats extends FrontStats {
  /** Datagrams that the system refused to send. */
  readonly sendFailures: number;
  readonly flow: FlowDriverStats;
  readonly streams: StreamStats & { readonly refused: Readonly<Partial<Record<TcpRefusal, number>>> };
}

const DEFAULT_CONNECTIONS: ConnectionLimits = { connections: 4096, connectionsPerSource: 1024 };
const DEFAULT_BUFFER_BYTES = { listener: 4 * 1024 * 1024, relay: 256 * 1024 };

/** Sockets and timer of the STUN and TURN server core; decides nothing. */
export class TurnServerDriver {
  private readonly options: TurnServerDriverOptions;
  /** In the order of the options. */
  readonly listeners: readonly TurnListener[];
  private readonly front: StunTurnFront;
  private readonly sockets: ReadonlyMap<TransportAddress, Socket>;
  private readonly relays = new Map<RelayId, Socket>();
  private readonly flows: FlowServerDriver;
  private readonly streams: TurnStreamClients;
  private readonly tcpListeners: readonly TcpListener[];
  private readonly refused: Partial<Record<TcpRefusal, number>> = {};
  private timer: NodeJS.Timeout | undefined;
  private armedAt: Instant | undefined;
  private sendFailures = 0;
  private isClosed = false;

  /** Binds all listeners. @throws NatError `NAT_BIND_FAILED` where one of them cannot be bound */
  static async open(options: TurnServerDriverOptions): Promise<TurnServerDriver> {
    const { listen, bufferBytes = DEFAULT_BUFFER_BYTES, crypto = nodeCrypto } = options;
    const bound = await openListeners(listen, { crypto, bufferBytes: bufferBytes.listener });
    return new TurnServerDriver(options, bound);
  }

  private constructor(options: TurnServerDriverOptions, { groups, udp, tcp }: BoundListeners) {
    const crypto = options.crypto ?? nodeCrypto;
    const turn = new TurnServer({ ...options.turn, crypto, epochMillisAt });
    this.options = options;
    this.front = new StunTurnFront(turn, groups, new StunServer({ crypto }));
    this.listeners = groups.flatMap(({ sockets: { primary, 'alternate-port': alternate } }) =>
      primary === undefined ? [] : [{ primary, alternatePort: alternate?.port }],
    );
    this.sockets = udp;
    this.flows = new FlowServerDriver({ ...options.flow, crypto, sockets: udp });
    for (const [server, socket] of udp) {
      socket.on('message', (bytes, from) => {
        if (this.flows.receive(bytes, from, server)) return;
        this.input({ kind: 'datagram', tuple: { client: senderOf(from), server, protocol: 'udp' }, bytes });
      });
      socket.on('error', () => (this.sendFailures += 1));
    }
    const server: StreamServer = {
      receive: (tuple, bytes) => {
        this.input({ kind: 'datagram', tuple, bytes });
      },
      closed: (tuple) => {
        this.input({ kind: 'connection-closed', tuple });
      },
      holdsAllocation: (tuple) => this.front.holdsAllocation(tuple),
    };
    this.streams = new TurnStreamClients(server, options.streams);
    this.tcpListeners = tcp;
    const limit = new ConnectionLimit(options.connections ?? DEFAULT_CONNECTIONS);
    for (const listener of tcp) {
      listener.serve('tcp', limit, {
        onConnection: (socket, tuple) => {
          this.acceptStream(socket, tuple);
        },
        onRefused: (reason) => (this.refused[reason] = (this.refused[reason] ?? 0) + 1),
      });
    }
  }

  /** Serves TURN on a connection of somebody else's listener, such as TLS; `head` is what was read of it already. */
  acceptStream(socket: StreamSocket, tuple: FiveTuple, head?: Uint8Array): void {
    if (this.isClosed) socket.destroy();
    else this.streams.add(socket, tuple, head);
  }

  control(input: TurnServerControl): void {
    this.input(input);
  }

  controlFlows(input: FlowServerControl): void {
    this.flows.control(input);
  }

  stats(): TurnDriverStats {
    const streams = { ...this.streams.stats(), refused: { ...this.refused } };
    return { ...this.front.stats(), sendFailures: this.sendFailures, flow: this.flows.stats(), streams };
  }

  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    this.flows.close();
    clearTimeout(this.timer);
    for (const listener of this.tcpListeners) listener.close();
    this.streams.close();
    await Promise.all([...this.sockets.values(), ...this.relays.values()].map(closeSocket));
    this.relays.clear();
  }

  private input(input: TurnServerInput): void {
    if (this.isClosed) return;
    this.perform(this.front.handle(input, currentInstant()));
  }

  private perform(outputs: readonly FrontOutput[]): void {
    for (const output of outputs) {
      switch (output.kind) {
        case 'send':
          if (output.to.protocol !== 'udp') this.streams.send(output.to, output.bytes);
          else this.transmit(this.sockets.get(output.to.server), output.bytes, output.to.client);
          break;
        case 'relay':
          this.transmit(this.relays.get(output.relayId), output.bytes, output.peer);
          break;
        case 'open-relay':
          this.openRelay(output.relayId, output.address);
          break;
        case 'close-relay':
          this.relays.get(output.relayId)?.close();
          this.relays.delete(output.relayId);
          break;
        case 'event':
          this.options.onEvent?.(output.event);
          break;
        case 'drop':
          break; // Counted by the core.
      }
    }
    this.arm();
  }

  private transmit(socket: Socket | undefined, bytes: Uint8Array, to: TransportAddress): void {
    socket?.send(bytes, 0, bytes.length, to.port, to.address, this.onSent);
  }

  private readonly onSent = (error: Error | null): void => {
    if (error !== null) this.sendFailures += 1;
  };

  private openRelay(relayId: RelayId, address: TransportAddress): void {
    const socket = newUdpSocket(address.family, (this.options.bufferBytes ?? DEFAULT_BUFFER_BYTES).relay);
    this.relays.set(relayId, socket);
    let isBound = false;
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (isBound) {
        this.sendFailures += 1;
        return;
      }
      this.input({
        kind: 'relay-failed',
        relayId,
        reason: error.code === 'EADDRINUSE' ? 'address-in-use' : 'other',
      });
    });
    socket.on('message', (bytes, from) => {
      this.input({ kind: 'relay-datagram', relayId, from: senderOf(from), bytes });
    });
    socket.bind(address.port, address.address, () => {
      isBound = true;
      this.input({ kind: 'relay-opened', relayId });
    });
  }

  private arm(): void {
    const at = this.isClosed ? undefined : this.front.nextTimeoutAt();
    if (at === this.armedAt) return;
    this.armedAt = at;
    clearTimeout(this.timer);
    if (at === undefined) return;
    this.timer = setTimeout(
      () => {
        this.armedAt = undefined;
        this.perform(this.front.handleTimeout(currentInstant()));
      },
      timerDelay(at - currentInstant()),
    );
  }
}

/** Timers of Node overflow beyond 2^31 ms, and fire up to 1 ms early. */
function timerDelay(milliseconds: number): number {
  return Math.min(Math.max(0, Math.ceil(milliseconds)), 0x7fff_ffff);
}

function currentInstant(): Instant {
  return instant(performance.now());
}

function epochMillisAt(now: Instant): number {
  return Date.now() - (performance.now() - now);
}

function closeSocket(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.close(() => resolve());
  });
}
