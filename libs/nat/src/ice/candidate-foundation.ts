import type { CandidateKind } from './candidate.ts';

/** What makes two candidates of one agent alike (RFC 8445 section 5.1.1.3); the transport is always UDP. */
export interface FoundationKey {
  readonly kind: CandidateKind;
  readonly baseAddress: string;
  /** Address of the STUN or TURN server, for reflexive and relayed candidates. */
  readonly server?: string;
}

/**
 * Numbers foundations in the order of their first use. A hash of the base address would do for the RFC, but a peer could
 * search it for an address that the policy keeps back.
 */
export class FoundationTable {
  readonly #numbers = new Map<string, string>();

  of(key: FoundationKey): string {
    const text = `${key.kind}|${key.baseAddress}|${key.server ?? ''}`;
    let foundation = this.#numbers.get(text);
    if (foundation === undefined) {
      foundation = String(this.#numbers.size + 1);
      this.#numbers.set(text, foundation);
    }
    return foundation;
  }
}
