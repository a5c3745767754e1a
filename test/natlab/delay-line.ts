/** What happens to a packet on its way between two hosts of the lab's internet. */
export interface Impairment {
  /** One way, milliseconds. */
  readonly delayMs: number;
  /** Share of packets that get lost, 0 to 1. */
  readonly loss: number;
}

export interface LinkImpairment extends Impairment {
  /** The same seed loses the same packets. */
  readonly seed: number;
}

interface Held {
  readonly packet: Uint8Array;
  readonly dueAt: number;
}

/** Holds each packet for the same time, so they leave in the order in which they came. Instants are milliseconds. */
export class DelayLine {
  /** Packets that were lost on purpose. */
  lost = 0;
  #delayMs: number;
  #loss: number;
  readonly #random: () => number;
  #held: Held[] = [];
  /** What lies before is gone; moved in bulk, since `shift` of a long array is slow. */
  #head = 0;

  constructor({ delayMs, loss, seed }: LinkImpairment) {
    this.#delayMs = delayMs;
    this.#loss = loss;
    this.#random = seededRandom(seed);
  }

  /** For packets that come from now on; one that is held stays in front of them. */
  change({ delayMs, loss }: Impairment): void {
    this.#delayMs = delayMs;
    this.#loss = loss;
  }

  /** Takes a packet that arrived at `now`, or loses it. */
  add(packet: Uint8Array, now: number): void {
    if (this.#loss > 0 && this.#random() < this.#loss) this.lost += 1;
    else this.#held.push({ packet, dueAt: now + this.#delayMs });
  }

  /** The next packet whose time has come. */
  takeDue(now: number): Uint8Array | undefined {
    const first = this.#held[this.#head];
    if (first === undefined || first.dueAt > now) return undefined;
    this.#head += 1;
    if (this.#head * 2 > this.#held.length) {
      this.#held = this.#held.slice(this.#head);
      this.#head = 0;
    }
    return first.packet;
  }

  /** When the next packet is due. */
  nextDueAt(): number | undefined {
    return this.#held[this.#head]?.dueAt;
  }
}

/** A small generator (mulberry32) with an even distribution; nothing here is secret. */
function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
