import type { RemoteInfo, Socket } from 'node:dgram';
import type { NatCrypto } from '../crypto/crypto.port.ts';
import { FlowFrameType, looksLikeFlowFrame } from '../flow/flow-frame.ts';
import type { FlowLimits } from '../flow/flow-limits.ts';
import type {
  FlowServerControl,
  FlowServerEvent,
  FlowServerInput,
  FlowServerOutput,
  FlowServerStats,
} from '../flow/flow-server-types.ts';
import { FlowServer } from '../flow/flow-server.ts';
import type { TransportAddress } from '../net/transport-address.ts';
import { CoreTimer } from './core-timer.ts';
import { monotonicNow } from './monotonic-clock.ts';
import { senderOf } from './udp-socket.ts';

export interface FlowServerDriverOptions {
  readonly crypto: NatCrypto;
  readonly limits?: Partial<FlowLimits>;
  readonly onEvent?: (event: FlowServerEvent) => void;
  /** The listeners; frames are answered and forwarded from the one at which a client is known. */
  readonly sockets: ReadonlyMap<TransportAddress, Socket>;
}

export interface FlowDriverStats extends FlowServerStats {
  /** Datagrams that the system refused to send. */
  readonly sendFailures: number;
}

/** Gives the server of registered flows its share of the STUN sockets; they belong to somebody else. */
export class FlowServerDriver {
  readonly #options: FlowServerDriverOptions;
  readonly #core: FlowServer;
  readonly #timer: CoreTimer;
  #sendFailures = 0;

  constructor(options: FlowServerDriverOptions) {
    this.#options = options;
    this.#core = new FlowServer({
      crypto: options.crypto,
      ...(options.limits === undefined ? {} : { limits: options.limits }),
    });
    this.#timer = new CoreTimer((now) => {
      this.#perform(this.#core.handleTimeout(now));
    });
  }

  /** False: not a frame of a flow. Data leaves in the buffer that it came in. */
  receive(bytes: Uint8Array, from: RemoteInfo, server: TransportAddress): boolean {
    if (!looksLikeFlowFrame(bytes)) return false;
    if (bytes[0] !== FlowFrameType.DATA) {
      this.#input({ kind: 'datagram', tuple: { client: senderOf(from), server, protocol: 'udp' }, bytes });
      return true;
    }
    const to = this.#core.forward(bytes, from.address, from.port, monotonicNow());
    if (to !== undefined) this.#transmit(bytes, to.server, to.client);
    return true;
  }

  control(input: FlowServerControl): void {
    this.#input(input);
  }

  stats(): FlowDriverStats {
    return { ...this.#core.stats(), sendFailures: this.#sendFailures };
  }

  close(): void {
    this.#timer.armAt(undefined);
  }

  #input(input: FlowServerInput): void {
    this.#perform(this.#core.handle(input, monotonicNow()));
  }

  #perform(outputs: readonly FlowServerOutput[]): void {
    for (const output of outputs) {
      if (output.kind === 'send') this.#transmit(output.bytes, output.to.server, output.to.client);
      else if (output.kind === 'event') this.#options.onEvent?.(output.event);
    }
    this.#timer.armAt(this.#core.nextTimeoutAt());
  }

  #transmit(bytes: Uint8Array, server: TransportAddress, { port, address }: TransportAddress): void {
    this.#options.sockets.get(server)?.send(bytes, 0, bytes.length, port, address, this.#onSent);
  }

  readonly #onSent = (error: Error | null): void => {
    if (error !== null) this.#sendFailures += 1;
  };
}
