import { createSocket, type Socket } from 'node:dgram';
import { NatError } from '../errors.ts';
import type { NatCrypto } from '../crypto/crypto.port.ts';
import type { TransportAddress } from '../net/transport-address.ts';
import type { MappingProtocol } from '../port-mapping/mapping-dialect.ts';
import { PORT_MAPPING_CLIENT_PORT, PORT_MAPPING_SERVER_PORT } from '../port-mapping/pcp-message.ts';
import {
  PortMappingClient,
  type PortMappingInput,
  type PortMappingOutput,
} from '../port-mapping/port-mapping-client.ts';
import { CoreTimer } from './core-timer.ts';
import { monotonicNow } from './monotonic-clock.ts';
import { errorCodeOf } from './udp-socket.ts';

export interface PortMappingDriverOptions {
  readonly crypto: NatCrypto;
  /** IPv4 address of the default gateway. */
  readonly gateway: string;
  /** Port of the socket that is to be reached. */
  readonly internalPort: number;
  /** @default 3600 */
  readonly lifetimeSeconds?: number;
  readonly events: PortMappingEvents;
}

export interface PortMappingEvents {
  mapped(external: TransportAddress, protocol: MappingProtocol): void;
  lost(cause: string): void;
  /** No answer so far; the attempts go on. */
  silent(): void;
  refused(protocol: MappingProtocol, result: number): void;
  drop(reason: string): void;
}

/** Sockets and timer of a {@link PortMappingClient}. */
export class PortMappingDriver {
  /** Our address on the way to the gateway. */
  readonly client: string;
  readonly #core: PortMappingClient;
  readonly #socket: Socket;
  readonly #announcements: Socket;
  readonly #events: PortMappingEvents;
  readonly #timer = new CoreTimer((now) => {
    this.#perform(this.#core.handleTimeout(now));
  });
  readonly #ended: Promise<void>;
  #end: () => void = () => undefined;

  private constructor(socket: Socket, options: PortMappingDriverOptions) {
    const { crypto, internalPort, lifetimeSeconds, gateway } = options;
    this.client = socket.address().address;
    this.#events = options.events;
    this.#ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.#core = new PortMappingClient({
      crypto,
      client: this.client,
      internalPort,
      ...(lifetimeSeconds === undefined ? {} : { lifetimeSeconds }),
    });
    this.#socket = socket;
    socket.on('message', (bytes) => {
      this.#input({ kind: 'datagram', bytes });
    });
    socket.on('error', (error) => {
      this.#failed(error);
    });
    this.#announcements = this.#listen(gateway);
  }

  /** Begins to ask. @throws NatError `NAT_BIND_FAILED` where there is no way to the gateway */
  static async open(options: PortMappingDriverOptions): Promise<PortMappingDriver> {
    const driver = new PortMappingDriver(await connectedTo(options.gateway), options);
    driver.#input({ kind: 'start' });
    return driver;
  }

  /** Our address on the way to a gateway as it is now. @throws NatError `NAT_BIND_FAILED` where there is none */
  static async clientTowards(gateway: string): Promise<string> {
    const socket = await connectedTo(gateway);
    const { address } = socket.address();
    socket.close();
    return address;
  }

  get external(): TransportAddress | undefined {
    return this.#core.external;
  }

  /** The network may be another one: is the mapping still there? */
  confirm(): void {
    this.#input({ kind: 'confirm' });
  }

  /** Gives the mapping back: half a second at most. */
  async close(): Promise<void> {
    this.#input({ kind: 'close' });
    await this.#ended;
  }

  /** A gateway that restarts says so to everybody (RFC 6887 section 14.1, RFC 6886 section 3.2.1). */
  #listen(gateway: string): Socket {
    const socket = createSocket({ type: 'udp4', reuseAddr: true });
    socket.on('message', (bytes, { address, port }) => {
      if (address === gateway && port === PORT_MAPPING_SERVER_PORT) this.#input({ kind: 'datagram', bytes });
      else this.#events.drop('announcement-of-a-stranger');
    });
    socket.on('error', (error) => {
      this.#events.drop(`announcements-${errorCodeOf(error)}`);
    });
    socket.bind(PORT_MAPPING_CLIENT_PORT);
    return socket;
  }

  #input(input: PortMappingInput): void {
    this.#perform(this.#core.handle(input, monotonicNow()));
  }

  #perform(outputs: readonly PortMappingOutput[]): void {
    for (const output of outputs) {
      switch (output.kind) {
        case 'send':
          this.#socket.send(output.bytes, (error) => {
            if (error !== null) this.#failed(error);
          });
          break;
        case 'mapped':
          this.#events.mapped(output.external, output.protocol);
          break;
        case 'lost':
          this.#events.lost(output.cause);
          break;
        case 'silent':
          this.#events.silent();
          break;
        case 'refused':
          this.#events.refused(output.protocol, output.result);
          break;
        case 'drop':
          this.#events.drop(output.reason);
          break;
        case 'closed':
          this.#socket.close();
          this.#announcements.close();
          this.#end();
          break;
      }
    }
    this.#timer.armAt(this.#core.nextTimeoutAt());
  }

  /** The answer of a closed port comes as an error of the socket. */
  #failed(error: Error): void {
    const code = errorCodeOf(error);
    if (code === 'ECONNREFUSED') this.#input({ kind: 'unreachable' });
    else this.#events.drop(`send-${code}`);
  }
}

/** Connected: the system lets through what comes from the gateway's port only, and tells our address on the way. */
export async function connectedTo(gateway: string): Promise<Socket> {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.connect(PORT_MAPPING_SERVER_PORT, gateway, resolve);
  }).catch((cause: unknown) => {
    socket.close();
    throw new NatError('NAT_BIND_FAILED', 'There is no way to the gateway.', { cause });
  });
  socket.removeAllListeners('error');
  return socket;
}
