import { createSocket, type Socket } from 'node:dgram';
import { NatError } from '../errors.ts';
import { transportAddress } from '../net/ip-address.ts';
import type { TransportAddress } from '../net/transport-address.ts';

export interface UdpSocketListeners {
  onDatagram(bytes: Uint8Array, from: TransportAddress): void;
  /** A datagram did not leave, or the socket reported an error: UDP goes on, the caller counts. */
  onError(error: Error): void;
}

/** A bound UDP socket that speaks transport addresses. */
export class UdpSocket {
  readonly localAddress: TransportAddress;
  private readonly socket: Socket;
  private readonly onSent: (error: Error | null) => void;
  private isClosed = false;

  private constructor(socket: Socket, localAddress: TransportAddress, listeners: UdpSocketListeners) {
    const { family } = localAddress;
    this.socket = socket;
    this.localAddress = localAddress;
    this.onSent = (error) => {
      if (error !== null) listeners.onError(error);
    };
    socket.on('error', (error) => {
      listeners.onError(error);
    });
    socket.on('message', (bytes, { address, port }) => {
      listeners.onDatagram(bytes, { family, address: withoutZone(address), port });
    });
  }

  /** Binds; port 0 takes a free one. @throws NatError `NAT_BIND_FAILED` */
  static async open(
    { family, address, port }: TransportAddress,
    listeners: UdpSocketListeners,
  ): Promise<UdpSocket> {
    const isIpv6 = family === 'ipv6';
    const socket = createSocket({
      type: isIpv6 ? 'udp6' : 'udp4',
      ipv6Only: isIpv6,
      // Destinations are always IP addresses, so the resolver is not asked.
      lookup: (name, _options, callback) => {
        callback(null, name, isIpv6 ? 6 : 4);
      },
    });
    await new Promise<void>((resolve, reject) => {
      socket.once('error', (cause) => {
        reject(
          new NatError('NAT_BIND_FAILED', `A UDP socket could not be bound to port ${port}.`, { cause }),
        );
      });
      socket.bind({ address, port, exclusive: true }, resolve);
    });
    socket.removeAllListeners('error');
    return new UdpSocket(
      socket,
      transportAddress(socket.address().address, socket.address().port),
      listeners,
    );
  }

  /** Does nothing once the socket is closed: an answer may be ready just then. */
  send(bytes: Uint8Array, to: TransportAddress): void {
    if (!this.isClosed) this.socket.send(bytes, to.port, to.address, this.onSent);
  }

  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    await new Promise<void>((resolve) => {
      this.socket.close(resolve);
    });
  }
}

/** Link-local IPv6 senders come with the name of an interface, which is no part of the address. */
function withoutZone(address: string): string {
  const zone = address.indexOf('%');
  return zone < 0 ? address : address.slice(0, zone);
}
