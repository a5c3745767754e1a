import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { NatError } from '../../errors.ts';
import type { CandidateBase } from '../../ice/candidate.ts';
import { transportAddress } from '../../net/ip-address.ts';
import type { AddressFamily, TransportAddress } from '../../net/transport-address.ts';

/** Voice and files share the socket: enough for about 20 ms at 400 Mbit/s. */
const BUFFER_BYTES = 1 << 20;

export interface UdpSocketEvents {
  onDatagram(socket: UdpSocket, bytes: Uint8Array, from: TransportAddress): void;
  onSendError(socket: UdpSocket, code: string): void;
}

/** One bound UDP socket; it is the base of all host and reflexive candidates of its family. */
export class UdpSocket {
  readonly base: CandidateBase;
  readonly boundAddress: TransportAddress;
  readonly #socket: Socket;
  readonly #onSent: (error: Error | null) => void;

  private constructor(socket: Socket, family: AddressFamily, events: UdpSocketEvents) {
    const { address, port } = socket.address();
    this.#socket = socket;
    this.boundAddress = transportAddress(address, port);
    this.base = { id: `socket-${family}`, kind: 'socket', family };
    this.#onSent = (error) => {
      if (error !== null) events.onSendError(this, errorCode(error));
    };
    socket.on('message', (bytes: Uint8Array, info: RemoteInfo) => {
      events.onDatagram(this, bytes, { family, address: withoutZone(info.address), port: info.port });
    });
    socket.on('error', (error) => {
      events.onSendError(this, errorCode(error));
    });
  }

  /** @throws NatError `NAT_BIND_FAILED` */
  static async open(
    family: AddressFamily,
    address: string,
    port: number,
    events: UdpSocketEvents,
  ): Promise<UdpSocket> {
    const socket = createSocket({
      type: family === 'ipv4' ? 'udp4' : 'udp6',
      ipv6Only: family === 'ipv6',
      recvBufferSize: BUFFER_BYTES,
      sendBufferSize: BUFFER_BYTES,
      // Only IP addresses are ever sent to: the resolver would cost a turn of the event loop per datagram.
      lookup: (literal, _options, callback) => {
        callback(null, literal, family === 'ipv4' ? 4 : 6);
      },
    });
    await new Promise<void>((resolve, reject) => {
      socket.once('error', (cause) => {
        reject(
          new NatError(
            'NAT_BIND_FAILED',
            `A UDP socket (${family}) could not be bound: ${errorCode(cause)}.`,
            { cause },
          ),
        );
      });
      socket.bind({ address, port, exclusive: true }, resolve);
    });
    socket.removeAllListeners('error');
    return new UdpSocket(socket, family, events);
  }

  send(bytes: Uint8Array, to: TransportAddress): void {
    this.#socket.send(bytes, to.port, to.address, this.#onSent);
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#socket.close(resolve);
    });
  }
}

function withoutZone(address: string): string {
  const zone = address.indexOf('%');
  return zone < 0 ? address : address.slice(0, zone);
}

function errorCode(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}
