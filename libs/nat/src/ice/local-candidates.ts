import type { AddressFamily, TransportAddress } from '../net/transport-address.ts';
import { sameTransportAddress } from '../net/transport-address.ts';
import type { CandidateBase, LocalCandidate } from './candidate.ts';
import { scopeOf, type AddressScope, type OwnScopes } from './remote-candidate-policy.ts';

/** Our candidates by base. */
export class LocalCandidates implements OwnScopes {
  readonly #limit: number;
  #candidates: LocalCandidate[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  get all(): readonly LocalCandidate[] {
    return this.#candidates;
  }

  get isFull(): boolean {
    return this.#candidates.length >= this.#limit;
  }

  /** RFC 8445 section 5.1.3: one of two candidates with equal base and address is redundant. False where it was. */
  add(candidate: LocalCandidate): boolean {
    if (this.find(candidate.base, candidate.address) !== undefined) return false;
    this.#candidates.push(candidate);
    return true;
  }

  find(base: CandidateBase, address: TransportAddress): LocalCandidate | undefined {
    return this.#candidates.find(
      (own) => own.base.id === base.id && sameTransportAddress(own.address, address),
    );
  }

  removeBase(base: CandidateBase): void {
    this.#candidates = this.#candidates.filter((own) => own.base.id !== base.id);
  }

  /** One candidate per base, the one of highest priority: it stands for the base in pairs. */
  representatives(): readonly LocalCandidate[] {
    const best = new Map<string, LocalCandidate>();
    for (const candidate of this.#candidates) {
      const known = best.get(candidate.base.id);
      if (known === undefined || candidate.priority > known.priority) best.set(candidate.base.id, candidate);
    }
    return [...best.values()];
  }

  representativeOf(base: CandidateBase): LocalCandidate | undefined {
    return this.representatives().find((candidate) => candidate.base.id === base.id);
  }

  has(scope: AddressScope, family: AddressFamily): boolean {
    return this.#candidates.some(({ address }) => address.family === family && scopeOf(address) === scope);
  }
}
