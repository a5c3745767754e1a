import type { DatagramPath, SessionPath, SessionRelays } from '../datagram-path.ts';

/** What happens to packets on the way; all of it is decided by `seed`. */
export interface Impairment {
  readonly delayMs?: number;
  /** Extra delay of up to this long, so that packets overtake each other. */
  readonly jitterMs?: number;
  /** 0..1 */
  readonly loss?: number;
  readonly duplicates?: number;
  readonly seed?: number;
}

/** One end of a pair of paths in memory. */
export interface TestPath extends DatagramPath {
  readonly sent: number;
  readonly isClosed: boolean;
  /** Also to other relays than before. */
  setState(state: SessionPath, relays?: SessionRelays): void;
  /** Tells of a state that is over by now. */
  tellLate(state: SessionPath): void;
  /** Hands a packet to the session at this end as if it had arrived. */
  inject(packet: Uint8Array): void;
  /** Sees every packet that leaves; false takes it out. */
  filter: (packet: Uint8Array) => boolean;
}

/** Two ends that reach each other in memory, in real time, with seeded impairment. */
export function impairedPair(impairment: Impairment = {}): [TestPath, TestPath] {
  const random = seeded(impairment.seed ?? 1);
  const first: MemoryPath = new MemoryPath(impairment, random, () => second);
  const second: MemoryPath = new MemoryPath(impairment, random, () => first);
  return [first, second];
}

class MemoryPath implements TestPath {
  state: SessionPath = 'relayed';
  sent = 0;
  isClosed = false;
  filter = (_packet: Uint8Array): boolean => true;
  private readonly impairment: Impairment;
  private readonly random: () => number;
  private readonly other: () => MemoryPath;
  private dataListener: (packet: Uint8Array) => void = () => undefined;
  private relaysNow: SessionRelays | undefined;
  private pathListener: (state: SessionPath) => void = () => undefined;

  constructor(impairment: Impairment, random: () => number, other: () => MemoryPath) {
    this.impairment = impairment;
    this.random = random;
    this.other = other;
  }

  relays(): SessionRelays | undefined {
    return this.relaysNow;
  }

  send(packet: Uint8Array): boolean {
    if (this.isClosed || this.state === 'none') return false;
    this.sent += 1;
    const { loss = 0, duplicates = 0 } = this.impairment;
    if (!this.filter(packet)) return true;
    if (this.random() >= loss) this.deliver(packet);
    if (duplicates > 0 && this.random() < duplicates) this.deliver(packet);
    return true;
  }

  onData(listener: (packet: Uint8Array) => void): void {
    this.dataListener = listener;
  }

  onPath(listener: (state: SessionPath) => void): void {
    this.pathListener = listener;
  }

  setState(state: SessionPath, relays?: SessionRelays): void {
    this.state = state;
    this.relaysNow = relays;
    this.pathListener(state);
  }

  tellLate(state: SessionPath): void {
    this.pathListener(state);
  }

  inject(packet: Uint8Array): void {
    if (!this.isClosed) this.dataListener(packet);
  }

  close(): void {
    this.isClosed = true;
    this.dataListener = () => undefined;
    this.pathListener = () => undefined;
  }

  private deliver(packet: Uint8Array): void {
    const { delayMs = 0, jitterMs = 0 } = this.impairment;
    const copy = Uint8Array.from(packet);
    const wait = delayMs + this.random() * jitterMs;
    if (wait === 0) setImmediate(() => this.other().inject(copy));
    else setTimeout(() => this.other().inject(copy), wait);
  }
}

/** A small seeded generator (mulberry32), 0..1. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
