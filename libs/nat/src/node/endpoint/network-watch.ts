import type { TransportAddress } from '../../net/transport-address.ts';
import { after, type Instant } from '../../time/instant.ts';

/** A look costs some tens of microseconds; a session that moves has noticed by itself long before. */
const LOOK_EVERY_MS = 2000;

/**
 * Looks now and then whether this host has other addresses than before. An idle client sends so little that it would notice
 * another network only when its next sign of life gets no answer.
 */
export class NetworkWatch {
  readonly #addresses: () => readonly TransportAddress[];
  readonly #onChange: () => void;
  #known: string | undefined;
  #lookAt: Instant | undefined;

  constructor(addresses: () => readonly TransportAddress[], onChange: () => void) {
    this.#addresses = addresses;
    this.#onChange = onChange;
  }

  start(now: Instant): void {
    this.#known = this.#look();
    this.#lookAt = after(now, LOOK_EVERY_MS);
  }

  handleTimeout(now: Instant): void {
    this.#lookAt = after(now, LOOK_EVERY_MS);
    const found = this.#look();
    if (found === this.#known) return;
    this.#known = found;
    this.#onChange();
  }

  nextTimeoutAt(): Instant | undefined {
    return this.#lookAt;
  }

  /** The order in which a host lists its addresses says nothing. */
  #look(): string {
    return this.#addresses()
      .map(({ address }) => address)
      .toSorted()
      .join();
  }
}
