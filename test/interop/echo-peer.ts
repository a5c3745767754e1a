import { createSocket, type Socket } from 'node:dgram';

const ATTEMPTS = 20;

/** A peer that sends every datagram back to where it came from, at a port and at the next one (RTP and RTCP). */
export class EchoPeer {
  private constructor(
    readonly address: string,
    readonly port: number,
    private readonly sockets: readonly Socket[],
  ) {}

  /** @throws RangeError where no two free ports lie side by side */
  static async open(address: string): Promise<EchoPeer> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const first = await echoAt(address, 0);
      const port = first?.address().port ?? 0;
      const second = await echoAt(address, port + 1);
      if (first !== undefined && second !== undefined) return new EchoPeer(address, port, [first, second]);
      first?.close();
      second?.close();
    }
    throw new RangeError(`No two free UDP ports side by side at ${address}.`);
  }

  async close(): Promise<void> {
    await Promise.all(
      this.sockets.map((socket) => new Promise<void>((resolve) => socket.close(() => resolve()))),
    );
  }
}

/** Undefined where the port is taken. */
function echoAt(address: string, port: number): Promise<Socket | undefined> {
  if (port > 65_535) return Promise.resolve(undefined);
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  socket.on('message', (bytes, from) => socket.send(bytes, from.port, from.address));
  return new Promise((resolve) => {
    socket.once('error', () => resolve(undefined));
    socket.bind(port, address, () => resolve(socket));
  });
}
