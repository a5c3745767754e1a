import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { LOOPBACK } from './waiting.ts';

type Line = readonly [Socket, Socket];

/** A way to a server that can be cut for those who use it, while others still reach the server. */
export class TcpProxy {
  readonly #server: Server;
  readonly #lines = new Set<Line>();
  #state: 'open' | 'cut' | 'silent' = 'open';

  private constructor(server: Server, target: number) {
    this.#server = server;
    server.on('connection', (from) => this.#join(from, connect(target, LOOPBACK)));
  }

  /** `target`: a port of loopback. */
  static async open(target: number): Promise<TcpProxy> {
    const server = createServer().listen(0, LOOPBACK);
    await once(server, 'listening');
    return new TcpProxy(server, target);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Ends all connections, and every new one at once. */
  cut(): void {
    this.#state = 'cut';
    for (const line of this.#lines) end(line);
  }

  /** Connections stay and nothing travels, as when packets are dropped on the way. */
  silence(): void {
    this.#state = 'silent';
    for (const [from, to] of this.#lines) {
      from.pause();
      to.pause();
    }
  }

  restore(): void {
    const wasSilent = this.#state === 'silent';
    this.#state = 'open';
    if (!wasSilent) return;
    for (const [from, to] of this.#lines) {
      from.resume();
      to.resume();
    }
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const line of this.#lines) end(line);
    await closed;
  }

  #join(from: Socket, to: Socket): void {
    const line: Line = [from, to];
    this.#lines.add(line);
    for (const [near, far] of [line, [to, from] as const]) {
      near.setNoDelay(true);
      near.on('data', (data) => {
        if (!far.write(data)) near.pause();
      });
      far.on('drain', () => {
        if (this.#state !== 'silent') near.resume();
      });
      near.on('error', () => end(line));
      near.on('close', () => {
        this.#lines.delete(line);
        end(line);
      });
    }
    if (this.#state === 'cut') end(line);
    if (this.#state === 'silent') {
      from.pause();
      to.pause();
    }
  }
}

function end([from, to]: Line): void {
  from.destroy();
  to.destroy();
}
