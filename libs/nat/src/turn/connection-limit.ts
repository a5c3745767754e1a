import { sourcePrefix } from '../net/source-prefix.ts';
import type { TransportAddress } from '../net/transport-address.ts';
import { ReplyBudget } from '../stun/reply-budget.ts';
import type { Instant } from '../time/instant.ts';

export interface ConnectionLimits {
  readonly connections: number;
  /** From one IPv4 address or IPv6 /64. */
  readonly connectionsPerSource: number;
  /**
   * New ones of a source in the long run, where each costs the server work, as a TLS handshake does; `connectionsPerSource` at
   * once. @default any number
   */
  readonly perSecondOfSource?: number;
}

export type ConnectionRefusal =
  'too-many-connections' | 'too-many-connections-of-source' | 'too-frequent-connections-of-source';

/** Counts the open connections of a listener, in all and by source. */
export class ConnectionLimit {
  readonly #limits: ConnectionLimits;
  readonly #bySource = new Map<string, number>();
  readonly #arrivals: ReplyBudget | undefined;
  #open = 0;

  constructor(limits: ConnectionLimits) {
    const { perSecondOfSource: perSecond, connectionsPerSource: burst } = limits;
    this.#limits = limits;
    this.#arrivals = perSecond === undefined ? undefined : new ReplyBudget({ perSecond, burst });
  }

  get open(): number {
    return this.#open;
  }

  /** Sources with an open connection. */
  get sources(): number {
    return this.#bySource.size;
  }

  /** Counts a connection in, or says why it may not be. */
  admit(client: TransportAddress, now: Instant): ConnectionRefusal | undefined {
    const source = sourcePrefix(client);
    const ofSource = this.#bySource.get(source) ?? 0;
    if (this.#open >= this.#limits.connections) return 'too-many-connections';
    if (ofSource >= this.#limits.connectionsPerSource) return 'too-many-connections-of-source';
    if (this.#arrivals?.take(client, now) === false) return 'too-frequent-connections-of-source';
    this.#open += 1;
    this.#bySource.set(source, ofSource + 1);
    return undefined;
  }

  /** Once for every connection that was admitted. */
  release(client: TransportAddress): void {
    const source = sourcePrefix(client);
    const ofSource = (this.#bySource.get(source) ?? 0) - 1;
    this.#open -= 1;
    if (ofSource > 0) this.#bySource.set(source, ofSource);
    else this.#bySource.delete(source);
  }
}
