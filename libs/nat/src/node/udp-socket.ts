import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { NatError } from '../errors.ts';
import { transportAddress } from '../net/ip-address.ts';
import type { AddressFamily, TransportAddress } from '../net/transport-address.ts';

export interface UdpSocketListeners {
  onDatagram(bytes: Uint8Array, from: TransportAddress): void;
  /** A datagram did not leave, or the socket reported an error: UDP goes on, the caller counts. */
  onError(error: Error): void;
}

/** A bound UDP socket that speaks transport addresses. */
export class UdpSocket {
  readonly localAddress: TransportAddress;
  private readonly socket: Socket;
  private readonly listeners: UdpSocketListeners;
  private readonly onSent: (error: Error | null) => void;
  private isClosed = false;

  private constructor(socket: Socket, localAddress: TransportAddress, listeners: UdpSocketListeners) {
    this.socket = socket;
    this.localAddress = localAddress;
    this.listeners = listeners;
    this.onSent = (error) => {
      if (error !== null) listeners.onError(error);
    };
    socket.on('error', (error) => {
      listeners.onError(error);
    });
    socket.on('message', (bytes, info) => {
      listeners.onDatagram(bytes, senderOf(info));
    });
  }

  /** Binds; port 0 takes a free one. `bufferBytes` as in {@link newUdpSocket}. @throws NatError `NAT_BIND_FAILED` */
  static async open(
    { family, address, port }: TransportAddress,
    listeners: UdpSocketListeners,
    bufferBytes?: number,
  ): Promise<UdpSocket> {
    const socket = newUdpSocket(family, bufferBytes);
    await new Promise<void>((resolve, reject) => {
      socket.once('error', (cause) => {
        const reason = `A UDP socket (${family}) could not be bound to port ${port}: ${errorCodeOf(cause)}.`;
        reject(new NatError('NAT_BIND_FAILED', reason, { cause }));
      });
      socket.bind({ address, port, exclusive: true }, resolve);
    });
    socket.removeAllListeners('error');
    const bound = socket.address();
    return new UdpSocket(socket, transportAddress(bound.address, bound.port), listeners);
  }

  /** Does nothing once the socket is closed: an answer may be ready just then. */
  send(bytes: Uint8Array, to: TransportAddress): void {
    if (this.isClosed) return;
    // Others choose whom we answer, and Node throws here.
    if (to.port === 0) this.listeners.onError(new NatError('NAT_INVALID_ARGUMENT', 'Nobody has port 0.'));
    else this.socket.send(bytes, to.port, to.address, this.onSent);
  }

  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    await new Promise<void>((resolve) => {
      this.socket.close(resolve);
    });
  }
}

/** A socket that is not bound yet. `bufferBytes` is asked of the system in both directions, which may give less. */
export function newUdpSocket(family: AddressFamily, bufferBytes?: number): Socket {
  const isIpv6 = family === 'ipv6';
  return createSocket({
    type: isIpv6 ? 'udp6' : 'udp4',
    ipv6Only: isIpv6,
    ...(bufferBytes === undefined ? {} : { recvBufferSize: bufferBytes, sendBufferSize: bufferBytes }),
    // Destinations are IP addresses always: the resolver would cost a turn of the event loop per datagram.
    lookup: (literal, _options, callback) => {
      callback(null, literal, isIpv6 ? 6 : 4);
    },
  });
}

/** Link-local IPv6 senders come with the name of an interface of this host, which is no part of the address. */
export function senderOf({ address, family, port }: RemoteInfo): TransportAddress {
  if (family === 'IPv4') return { family: 'ipv4', address, port };
  const zone = address.indexOf('%');
  return { family: 'ipv6', address: zone < 0 ? address : address.slice(0, zone), port };
}

/** `ENETUNREACH` and the like; the name of an error that has no code. */
export function errorCodeOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}
