/** Which ports of a peer are worth a check. Pure: every sequence is decided by its arguments. */
import type { NatCrypto } from '../../crypto/crypto.port.ts';

export const FIRST_DYNAMIC_PORT = 1024;
export const LAST_PORT = 65_535;
const PORT_COUNT = LAST_PORT - FIRST_DYNAMIC_PORT + 1;

/** The port that a sequential NAT gives `count` mappings after the one with `latestPort`. */
export function portAhead(latestPort: number, step: number, count: number): number {
  const offset = (latestPort - FIRST_DYNAMIC_PORT + step * count) % PORT_COUNT;
  return FIRST_DYNAMIC_PORT + ((offset + PORT_COUNT) % PORT_COUNT);
}

/**
 * How many mappings ahead of the peer's latest one the `index`-th check goes, where our checks make mappings of their own.
 *
 * Let A's checks go straight, the n-th from its mapping a + n to b + n, and B's m-th from b + m to a + g(m). When other hosts
 * (and our own other checks) have taken da and db ports since the samples, A's n-th has the mapping a + da + n and B's m-th
 * b + db + m, and they meet where g(m) - m = da + db. So B skips one port every `skipEvery` checks: the difference grows by one
 * each time and passes every value, also while it moves itself.
 */
export function sprayOffset(index: number, skipEvery: number | undefined): number {
  return 1 + index + (skipEvery === undefined ? 0 : Math.floor(index / skipEvery));
}

/** Every dynamic port at most once, in a random order (a shuffle that is made as far as it is read). */
export class RandomPorts {
  readonly #crypto: NatCrypto;
  readonly #moved = new Map<number, number>();
  #drawn = 0;

  constructor(crypto: NatCrypto) {
    this.#crypto = crypto;
  }

  /** `undefined` when there is no port left. */
  next(): number | undefined {
    const left = PORT_COUNT - this.#drawn;
    if (left === 0) return undefined;
    const chosen = this.#drawn + this.#below(left);
    const port = this.#moved.get(chosen) ?? chosen;
    this.#moved.set(chosen, this.#moved.get(this.#drawn) ?? this.#drawn);
    this.#moved.delete(this.#drawn);
    this.#drawn += 1;
    return FIRST_DYNAMIC_PORT + port;
  }

  /** The bias of 32 bits over at most 65,000 values is of no account. */
  #below(count: number): number {
    const [a = 0, b = 0, c = 0, d = 0] = this.#crypto.randomBytes(4);
    return (((a << 24) | (b << 16) | (c << 8) | d) >>> 0) % count;
  }
}
