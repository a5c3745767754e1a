import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import type { TransportAddress } from '../../net/transport-address.ts';
import { instant } from '../../time/instant.ts';
import { TurnClient } from '../../turn/client/turn-client.ts';
import type { TurnClientInput, TurnClientOutput } from '../../turn/client/turn-client-types.ts';
import {
  formatTimeLimitedUsername,
  timeLimitedPassword,
  type TurnCredential,
} from '../../turn/credentials.ts';
import { frameForStream, StreamDeframer } from '../../turn/stream-framing.ts';
import { nodeCrypto } from '../node-crypto.ts';

type OutputOf<K extends TurnClientOutput['kind']> = Extract<TurnClientOutput, { kind: K }>;

/** How long a test waits for an output before it says what came instead. */
const DEADLINE_MS = 20_000;

/** A time-limited credential as a server with this secret takes it. */
export function testCredential(secret: string, credentialId = 'alice', ttlSeconds = 600): TurnCredential {
  const expiresAtEpochSeconds = Math.floor(Date.now() / 1000) + ttlSeconds;
  const username = formatTimeLimitedUsername({ expiresAtEpochSeconds, credentialId });
  return { username, password: timeLimitedPassword(nodeCrypto, secret, username) };
}

/** The client core on a connection that the test can see and disturb. */
export class StreamTurnClient {
  readonly socket: Socket;
  readonly core: TurnClient;
  readonly #seen: TurnClientOutput[] = [];
  readonly #waiting: (() => void)[] = [];
  readonly #deframer = new StreamDeframer();

  constructor(socket: Socket, server: TransportAddress, credential: TurnCredential) {
    this.socket = socket;
    this.core = new TurnClient({ server, credential, crypto: nodeCrypto });
    socket.on('data', (chunk) => {
      for (const bytes of this.#deframer.push(chunk).messages) this.do({ kind: 'datagram', bytes });
    });
  }

  static async connect(server: TransportAddress, credential: TurnCredential): Promise<StreamTurnClient> {
    const socket = connect(server.port, server.address);
    await once(socket, 'connect');
    return new StreamTurnClient(socket, server, credential);
  }

  do(input: TurnClientInput): void {
    for (const output of this.core.handle(input, instant(performance.now()))) {
      if (output.kind === 'send') this.transmit(output.bytes);
      else this.#seen.push(output);
    }
    for (const wake of this.#waiting.splice(0)) wake();
  }

  transmit(message: Uint8Array): void {
    this.socket.write(frameForStream(message));
  }

  /** The next unseen output of the kind. @throws RangeError at the deadline */
  async next<K extends TurnClientOutput['kind']>(kind: K): Promise<OutputOf<K>> {
    for (;;) {
      const index = this.#seen.findIndex((output) => output.kind === kind);
      const [found] = index < 0 ? [] : this.#seen.splice(index, 1);
      if (found !== undefined) return found as OutputOf<K>;
      await new Promise<void>((resolve, reject) => {
        const limit = setTimeout(() => {
          reject(new RangeError(`no ${kind}; saw ${this.#seen.map((output) => output.kind).join(', ')}`));
        }, DEADLINE_MS);
        this.#waiting.push(() => {
          clearTimeout(limit);
          resolve();
        });
      });
    }
  }

  async allocate(): Promise<TransportAddress> {
    this.do({ kind: 'allocate' });
    return (await this.next('allocated')).relayedAddress;
  }
}
