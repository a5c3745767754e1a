import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { transportAddress } from '../../net/ip-address.ts';
import type { TransportAddress } from '../../net/transport-address.ts';

/** Stands before a UDP server and swallows everything while it is closed; open, it forwards both ways. */
export class UdpGate {
  readonly address: TransportAddress;
  isOpen = false;
  readonly #front: Socket;
  readonly #backs = new Map<string, Socket>();

  private constructor(front: Socket, server: TransportAddress) {
    this.#front = front;
    this.address = transportAddress('127.0.0.1', front.address().port);
    front.on('message', (bytes, { address, port }) => {
      if (this.isOpen) this.#backOf(address, port).send(bytes, server.port, server.address);
    });
  }

  static async before(server: TransportAddress): Promise<UdpGate> {
    const front = createSocket('udp4');
    front.bind(0, '127.0.0.1');
    await once(front, 'listening');
    return new UdpGate(front, server);
  }

  close(): void {
    for (const socket of [this.#front, ...this.#backs.values()]) socket.close();
  }

  /** One socket for each client, so that the server tells them apart. */
  #backOf(address: string, port: number): Socket {
    const key = `${address}|${port}`;
    const known = this.#backs.get(key);
    if (known !== undefined) return known;
    const back = createSocket('udp4');
    back.on('message', (bytes) => {
      if (this.isOpen) this.#front.send(bytes, port, address);
    });
    this.#backs.set(key, back);
    return back;
  }
}
