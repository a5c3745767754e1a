import type { CandidateBase } from '../../ice/candidate.ts';
import type { TransportAddress } from '../../net/transport-address.ts';
import { errorCodeOf, UdpSocket } from '../udp-socket.ts';

/** Voice and files share the socket: enough for about 20 ms at 400 Mbit/s. */
const BUFFER_BYTES = 1 << 20;

export interface EndpointSocketEvents {
  onDatagram(base: CandidateBase, bytes: Uint8Array, from: TransportAddress): void;
  onSendError(code: string): void;
}

/** The one socket of an address family: the base of all its host and reflexive candidates. */
export class EndpointSocket {
  readonly base: CandidateBase;
  readonly #socket: UdpSocket;

  private constructor(base: CandidateBase, socket: UdpSocket) {
    this.base = base;
    this.#socket = socket;
  }

  /** @throws NatError `NAT_BIND_FAILED` */
  static async open(local: TransportAddress, events: EndpointSocketEvents): Promise<EndpointSocket> {
    const { family } = local;
    const base: CandidateBase = { id: `socket-${family}`, kind: 'socket', family };
    const listeners = {
      onDatagram: (bytes: Uint8Array, from: TransportAddress) => {
        events.onDatagram(base, bytes, from);
      },
      onError: (error: Error) => {
        events.onSendError(errorCodeOf(error));
      },
    };
    return new EndpointSocket(base, await UdpSocket.open(local, listeners, BUFFER_BYTES));
  }

  get boundAddress(): TransportAddress {
    return this.#socket.localAddress;
  }

  send(bytes: Uint8Array, to: TransportAddress): void {
    this.#socket.send(bytes, to);
  }

  close(): Promise<void> {
    return this.#socket.close();
  }
}
