import type { Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import type { NatCrypto } from '../crypto/crypto.port.ts';
import { NatError } from '../errors.ts';
import type { TransportAddress } from '../net/transport-address.ts';
import { StunServer } from '../stun/stun-server.ts';
import type { StunServerSocket } from '../stun/server-addresses.ts';
import type { ListenerGroup } from '../turn/server/stun-turn-front.ts';
import { TcpListener } from './tcp-listener.ts';
import { newUdpSocket } from './udp-socket.ts';

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
  /** Also over TCP, at the same address and port; without behaviour discovery, which is about UDP. @default false */
  readonly tcp?: boolean;
}

export interface ListenOptions {
  readonly crypto: NatCrypto;
  /** Of every UDP socket, in both directions. */
  readonly bufferBytes: number;
}

/** Port 0 must be free for UDP and for TCP: how many are tried. */
const FREE_PORT_ATTEMPTS = 16;

/** Binds all, or none. @throws NatError `NAT_BIND_FAILED` */
export async function openListeners(
  listen: readonly TurnListen[],
  options: ListenOptions,
): Promise<BoundListeners> {
  const bound: BoundListeners = { udp: new Map(), tcp: [], groups: [] };
  try {
    for (const one of listen) await openGroupAtFreePort(one, options, bound);
  } catch (error) {
    closeListeners(bound);
    throw error;
  }
  return bound;
}

/** Every socket that was bound, in the order of what was asked for. */
export interface BoundListeners {
  readonly udp: Map<TransportAddress, Socket>;
  readonly tcp: TcpListener[];
  readonly groups: ListenerGroup[];
}

function closeListeners({ udp, tcp }: BoundListeners): void {
  for (const socket of udp.values()) socket.close();
  for (const listener of tcp) listener.close();
}

/** The free port that the system gives for UDP may be taken for TCP: then another one. */
async function openGroupAtFreePort(
  listen: TurnListen,
  options: ListenOptions,
  bound: BoundListeners,
): Promise<void> {
  const attempts = listen.tcp === true && listen.port === 0 ? FREE_PORT_ATTEMPTS : 1;
  for (let left = attempts; ; left -= 1) {
    const mine: BoundListeners = { udp: new Map(), tcp: [], groups: [] };
    try {
      const group = await openGroup(listen, options, mine.udp);
      const { primary } = group.sockets;
      if (listen.tcp === true && primary !== undefined)
        bound.tcp.push(await TcpListener.open(listen.address, primary.port));
      for (const [address, socket] of mine.udp) bound.udp.set(address, socket);
      bound.groups.push(group);
      return;
    } catch (error) {
      closeListeners(mine);
      if (left <= 1) throw error;
    }
  }
}

async function openGroup(
  listen: TurnListen,
  options: ListenOptions,
  listeners: Map<TransportAddress, Socket>,
): Promise<ListenerGroup> {
  const { alternateAddress, alternatePort } = listen;
  const family = isIPv6(listen.address) ? 'ipv6' : 'ipv4';
  const sockets: Partial<Record<StunServerSocket, TransportAddress>> = {};
  const bind = async (name: StunServerSocket, address: string, port: number): Promise<number> => {
    const socket = newUdpSocket(family, options.bufferBytes);
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
    crypto: options.crypto,
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
