import type { NatCrypto } from '../../crypto/crypto.port.ts';
import { NatSampling, type NatSamplingInput, type NatSamplingOutput } from '../../discovery/nat-sampling.ts';
import type { NatReport } from '../../ice/remote-network.ts';
import type { TransportAddress } from '../../net/transport-address.ts';
import { decodeStunMessage, type StunMessage } from '../../stun/message.ts';
import type { Instant } from '../../time/instant.ts';
import { errorCodeOf, UdpSocket } from '../udp-socket.ts';

export interface NetworkSamplingEvents {
  now(): Instant;
  /** From the session socket (IPv4). */
  sendFromSession(bytes: Uint8Array, to: TransportAddress): void;
  onReport(nat: NatReport): void;
  drop(reason: string): void;
  /** Outputs were performed outside of the endpoint's own calls: its timer may be wrong. */
  rearm(): void;
}

/** What is asked about. */
export interface SamplingTarget {
  readonly servers: readonly TransportAddress[];
  /** The session socket. */
  readonly session: TransportAddress;
  readonly localAddresses: readonly string[];
}

/** A report that is being made is awaited this long by an offer: longer than its mapping takes, shorter than a user notices. */
const FIRST_REPORT_MS = 250;
/** A sample that takes longer than this comes too late. */
const FRESH_SAMPLE_MS = 400;
/** Bound beforehand: a sample has to leave in the same moment as the check that it belongs to. */
const SPARE_SOCKETS = 6;

/** Performs {@link NatSampling}: the throw-away sockets, and fresh samples before an offer or an answer. */
export class NetworkSampling {
  readonly #core: NatSampling;
  readonly #events: NetworkSamplingEvents;
  readonly #spare: UdpSocket[] = [];
  readonly #inUse = new Map<number, UdpSocket>();
  readonly #waiters = new Map<number, (address: TransportAddress | undefined) => void>();
  #target: SamplingTarget | undefined;
  #firstReport: Promise<void> = Promise.resolve();
  #onFirstReport: () => void = () => undefined;
  #sampleCount = 0;
  #filling = 0;
  #isClosed = false;

  constructor(crypto: NatCrypto, events: NetworkSamplingEvents) {
    this.#core = new NatSampling(crypto);
    this.#events = events;
  }

  get nat(): NatReport | undefined {
    return this.#core.nat;
  }

  /** Finds out anew; the report before stands until then. */
  async start(target: SamplingTarget): Promise<void> {
    this.#target = target;
    if (target.servers.length === 0) return;
    this.#onFirstReport();
    this.#firstReport = new Promise((resolve) => {
      this.#onFirstReport = resolve;
    });
    await this.#fill();
    if (this.#isClosed || this.#target !== target) return;
    const { servers, session, localAddresses } = target;
    this.#input({ kind: 'start', servers, sessionPort: session.port, localAddresses });
    this.#events.rearm();
  }

  /** What an offer or an answer says: for a sequential NAT with a port that was given just now, else at once. */
  async fresh(): Promise<NatReport | undefined> {
    await within(FIRST_REPORT_MS, this.#firstReport);
    if (this.nat?.portAllocation === 'sequential')
      await within(
        FRESH_SAMPLE_MS,
        new Promise((resolve) => {
          this.sample(resolve);
        }),
      );
    return this.nat;
  }

  /** The request leaves at once; `undefined` where no socket was left or no answer came. */
  sample(onSampled: (address: TransportAddress | undefined) => void): void {
    if (this.#isClosed || this.#spare.length === 0) {
      this.#events.drop('no-spare-socket');
      onSampled(undefined);
      return;
    }
    this.#sampleCount += 1;
    this.#waiters.set(this.#sampleCount, onSampled);
    this.#input({ kind: 'sample', sample: this.#sampleCount });
    this.#events.rearm();
  }

  /** An answer at the session socket. False: nobody here asked. */
  receive(message: StunMessage, from: TransportAddress): boolean {
    if (!this.#core.owns(message.transactionId)) return false;
    this.#input({ kind: 'response', message, from, localPort: this.#target?.session.port ?? 0 });
    return true;
  }

  handleTimeout(now: Instant): void {
    this.#perform(this.#core.handleTimeout(now));
  }

  nextTimeoutAt(): Instant | undefined {
    return this.#core.nextTimeoutAt();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#onFirstReport();
    const sockets = [...this.#spare, ...this.#inUse.values()];
    this.#spare.length = 0;
    this.#inUse.clear();
    await Promise.all(sockets.map((socket) => socket.close()));
  }

  #input(input: NatSamplingInput): void {
    this.#perform(this.#core.handle(input, this.#events.now()));
  }

  #perform(outputs: readonly NatSamplingOutput[]): void {
    for (const output of outputs) {
      switch (output.kind) {
        case 'send':
          if (output.socket === 'session') this.#events.sendFromSession(output.bytes, output.to);
          else this.#throwAway(output.socket)?.send(output.bytes, output.to);
          break;
        case 'close-socket':
          void this.#inUse.get(output.socket)?.close();
          this.#inUse.delete(output.socket);
          break;
        case 'report':
          this.#reported(output.nat, output.isComplete);
          break;
        case 'sampled':
          this.#waiters.get(output.sample)?.(output.address);
          this.#waiters.delete(output.sample);
          break;
      }
    }
  }

  #reported(nat: NatReport, isComplete: boolean): void {
    const isMoving = nat.mapping === 'address-dependent' || nat.mapping === 'address-and-port-dependent';
    // A moving mapping is of no use to anybody before its ports are known too.
    if (!isMoving || nat.portAllocation !== 'unknown' || isComplete) this.#onFirstReport();
    this.#events.onReport(nat);
    if (!isComplete) return;
    if (nat.portAllocation === 'sequential') void this.#fill();
    else for (const socket of this.#spare.splice(0)) void socket.close();
  }

  #throwAway(number: number): UdpSocket | undefined {
    const known = this.#inUse.get(number);
    if (known !== undefined) return known;
    const socket = this.#spare.shift();
    if (socket === undefined) {
      this.#events.drop('no-spare-socket');
      return undefined;
    }
    this.#inUse.set(number, socket);
    if (this.nat?.portAllocation === 'sequential') void this.#fill();
    return socket;
  }

  async #fill(): Promise<void> {
    const { session } = this.#target ?? {};
    if (session === undefined) return;
    const missing = SPARE_SOCKETS - this.#spare.length - this.#filling;
    if (missing <= 0) return;
    this.#filling += missing;
    await Promise.all(Array.from({ length: missing }, () => this.#openSpare({ ...session, port: 0 })));
  }

  async #openSpare(local: TransportAddress): Promise<void> {
    try {
      const socket = await UdpSocket.open(local, {
        onDatagram: (bytes, from) => {
          this.#receiveAt(socket.localAddress.port, bytes, from);
        },
        onError: (error) => {
          this.#events.drop(`send-${errorCodeOf(error)}`);
        },
      });
      if (this.#isClosed) await socket.close();
      else this.#spare.push(socket);
    } catch {
      this.#events.drop('spare-socket-failed');
    } finally {
      this.#filling -= 1;
    }
  }

  /** Throw-away sockets are for servers: whatever else comes is dropped. */
  #receiveAt(localPort: number, bytes: Uint8Array, from: TransportAddress): void {
    if (this.#isClosed) return;
    const decoded = decodeStunMessage(bytes);
    if (!decoded.ok || !this.#core.owns(decoded.message.transactionId)) {
      this.#events.drop('sampling-stray');
      return;
    }
    this.#input({ kind: 'response', message: decoded.message, from, localPort });
    this.#events.rearm();
  }
}

async function within(milliseconds: number, done: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  await Promise.race([done, late]);
  clearTimeout(timer);
}
