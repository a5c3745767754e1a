import type { Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { performance } from 'node:perf_hooks';
import type { NatCrypto } from '../crypto/crypto.port.ts';
import { NatError } from '../errors.ts';
import type { TransportAddress } from '../net/transport-address.ts';
import { StunServer } from '../stun/stun-server.ts';
import type { StunServerSocket } from '../stun/server-addresses.ts';
import { instant, type Instant } from '../time/instant.ts';
import {
  StunTurnFront,
  type FrontOutput,
  type FrontStats,
  type ListenerGroup,
} from '../turn/server/stun-turn-front.ts';
import type {
  RelayId,
  TurnServerEvent,
  TurnServerInput,
  TurnServerOptions,
} from '../turn/server/turn-server-types.ts';
import { TurnServer } from '../turn/server/turn-server.ts';
import { nodeCrypto } from './node-crypto.ts';
import { newUdpSocket, senderOf } from './udp-socket.ts';

/** One address to serve STUN and TURN at; with an alternate address or port also behaviour discovery (RFC 5780). */
export interface TurnListen {
  readonly address: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** What clients see in place of `address`; told in RFC 5780 attributes. @default `address` */
  readonly publicAddress?: string;
  /** A second address of this host, of the same family. */
  readonly alternateAddress?: string;
  /** A second port at each address; 0 takes a free one. */
  readonly alternatePort?: number;
}

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
}

const DEFAULT_BUFFER_BYTES = { listener: 4 * 1024 * 1024, relay: 256 * 1024 };

/** Sockets and timer of the STUN and TURN server core; decides nothing. */
export class TurnServerDriver {
  private readonly options: TurnServerDriverOptions;
  /** In the order of the options. */
  readonly listeners: readonly TurnListener[];
  private readonly front: StunTurnFront;
  private readonly sockets: ReadonlyMap<TransportAddress, Socket>;
  private readonly relays = new Map<RelayId, Socket>();
  private timer: NodeJS.Timeout | undefined;
  private armedAt: Instant | undefined;
  private sendFailures = 0;
  private isClosed = false;

  /** Binds all listeners. @throws NatError `NAT_BIND_FAILED` where one of them cannot be bound */
  static async open(options: TurnServerDriverOptions): Promise<TurnServerDriver> {
    const listeners = new Map<TransportAddress, Socket>();
    const groups: ListenerGroup[] = [];
    try {
      for (const listen of options.listen) groups.push(await openGroup(listen, options, listeners));
    } catch (error) {
      for (const socket of listeners.values()) socket.close();
      throw error;
    }
    return new TurnServerDriver(options, groups, listeners);
  }

  private constructor(
    options: TurnServerDriverOptions,
    groups: readonly ListenerGroup[],
    sockets: ReadonlyMap<TransportAddress, Socket>,
  ) {
    const turn = new TurnServer({ ...options.turn, crypto: options.crypto ?? nodeCrypto, epochMillisAt });
    this.options = options;
    this.front = new StunTurnFront(turn, groups);
    this.listeners = groups.flatMap(({ sockets: { primary, 'alternate-port': alternate } }) =>
      primary === undefined ? [] : [{ primary, alternatePort: alternate?.port }],
    );
    this.sockets = sockets;
    for (const [server, socket] of sockets) {
      socket.on('message', (bytes, from) => {
        this.input({ kind: 'datagram', tuple: { client: senderOf(from), server, protocol: 'udp' }, bytes });
      });
      socket.on('error', () => (this.sendFailures += 1));
    }
  }

  control(input: TurnServerControl): void {
    this.input(input);
  }

  stats(): TurnDriverStats {
    return { ...this.front.stats(), sendFailures: this.sendFailures };
  }

  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    clearTimeout(this.timer);
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
          this.transmit(this.sockets.get(output.to.server), output.bytes, output.to.client);
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

async function openGroup(
  listen: TurnListen,
  options: TurnServerDriverOptions,
  listeners: Map<TransportAddress, Socket>,
): Promise<ListenerGroup> {
  const { alternateAddress, alternatePort } = listen;
  const family = isIPv6(listen.address) ? 'ipv6' : 'ipv4';
  const sockets: Partial<Record<StunServerSocket, TransportAddress>> = {};
  const bind = async (name: StunServerSocket, address: string, port: number): Promise<number> => {
    const socket = newUdpSocket(family, (options.bufferBytes ?? DEFAULT_BUFFER_BYTES).listener);
    const bound = await bindSocket(socket, address, port);
    sockets[name] = bound;
    listeners.set(bound, socket);
    return bound.port;
  };
  const port = await bind('primary', listen.address, listen.port);
  const otherPort =
    alternatePort === undefined ? undefined : await bind('alternate-port', listen.address, alternatePort);
  if (alternateAddress !== undefined) {
    await bind('alternate-address', alternateAddress, port);
    if (otherPort !== undefined) await bind('alternate-address-and-port', alternateAddress, otherPort);
  }
  const stun = new StunServer({
    crypto: options.crypto ?? nodeCrypto,
    addresses: {
      primary: { family, address: listen.publicAddress ?? listen.address, port },
      ...(alternateAddress === undefined ? {} : { alternateAddress }),
      ...(otherPort === undefined ? {} : { alternatePort: otherPort }),
    },
  });
  return { stun, sockets };
}

function bindSocket(socket: Socket, address: string, port: number): Promise<TransportAddress> {
  return new Promise((resolve, reject) => {
    const onError = (cause: Error): void => {
      socket.close();
      reject(new NatError('NAT_BIND_FAILED', `Cannot listen on ${address} port ${port}.`, { cause }));
    };
    socket.once('error', onError);
    socket.bind(port, address, () => {
      socket.off('error', onError);
      const bound = socket.address();
      resolve({
        family: bound.family === 'IPv6' ? 'ipv6' : 'ipv4',
        address: bound.address,
        port: bound.port,
      });
    });
  });
}

function closeSocket(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.close(() => resolve());
  });
}
