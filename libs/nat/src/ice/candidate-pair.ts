import { NatError } from '../errors.ts';
import { transportAddressKey, type TransportAddress } from '../net/transport-address.ts';
import type { Instant } from '../time/instant.ts';
import type { CandidateBase, IceCandidate, LocalCandidate } from './candidate.ts';
import { canTransition, type CandidatePairCause, type CandidatePairState } from './candidate-pair-state.ts';
import { pairPriority } from './candidate-priority.ts';
import type { IceRole } from './ice-role.ts';

/** Weight of a new round-trip sample, as for TCP (RFC 6298). */
const SMOOTHING = 1 / 8;
/** Some 20 seconds of consent checks. */
const LATEST_SAMPLES = 4;

export interface CandidatePairTransition {
  readonly pair: string;
  readonly from: CandidatePairState;
  readonly to: CandidatePairState;
  readonly cause: CandidatePairCause;
}

export function candidatePairKey(base: CandidateBase, remote: TransportAddress): string {
  return `${base.id}|${transportAddressKey(remote)}`;
}

/**
 * A base of ours and a candidate of the peer. It is also the valid pair that a check produces: RFC 8445 would construct a
 * second one from the mapped address, which sends the same datagrams from the same socket.
 */
export class CandidatePair {
  readonly key: string;
  /** The best candidate of the base. */
  local: LocalCandidate;
  remote: IceCandidate;
  priority: bigint;
  /** What the peer saw as our address on this pair, once a check succeeded. */
  mappedLocal: IceCandidate | undefined;
  /** When the last answer to a check came. */
  answeredAt: Instant | undefined;
  /** End of consent (RFC 7675): data may be sent until then. Set while succeeded. */
  consentUntil: Instant | undefined;
  nextConsentAt: Instant | undefined;
  /** Smoothed, in milliseconds. */
  roundTripMs: number | undefined;
  /** The peer sent an authenticated check on this pair. */
  isRequestedByPeer = false;
  /** The controlling side chose the pair at some time, so that a later choice of another one is meant. */
  wasNominated = false;
  /** The peer nominated the pair before it was valid here (RFC 8445 section 7.3.1.5). */
  nominationOnSuccess: number | undefined;
  /** Why it is in its state. */
  cause: CandidatePairCause | undefined;
  #state: CandidatePairState;
  #samples = 0;
  readonly #latestMs: number[] = [];

  constructor(local: LocalCandidate, remote: IceCandidate, role: IceRole, state: 'frozen' | 'waiting') {
    this.key = candidatePairKey(local.base, remote.address);
    this.local = local;
    this.remote = remote;
    this.priority = priorityOf(local, remote, role);
    this.#state = state;
  }

  get state(): CandidatePairState {
    return this.#state;
  }

  get base(): CandidateBase {
    return this.local.base;
  }

  /** Whether a relay forwards its datagrams, ours or the peer's. */
  get isRelayed(): boolean {
    return this.local.base.kind === 'relay' || this.remote.kind === 'relayed';
  }

  get foundation(): string {
    return `${this.local.foundation}:${this.remote.foundation}`;
  }

  /** Roles switched or a candidate was replaced. */
  updatePriority(role: IceRole): void {
    this.priority = priorityOf(this.local, this.remote, role);
  }

  isValid(now: Instant): boolean {
    return this.#state === 'succeeded' && this.consentUntil !== undefined && now < this.consentUntil;
  }

  /** The first sample contains what the path costs once (buffers, code that runs for the first time): the second may correct it. */
  measure(sampleMs: number): void {
    this.#samples += 1;
    this.#latestMs.push(sampleMs);
    if (this.#latestMs.length > LATEST_SAMPLES) this.#latestMs.shift();
    const known = this.roundTripMs;
    if (known === undefined) this.roundTripMs = sampleMs;
    else
      this.roundTripMs =
        this.#samples === 2 ? Math.min(known, sampleMs) : known + SMOOTHING * (sampleMs - known);
  }

  /** Of the latest samples: what an answer takes where nothing but the path delays it, as a busy processor at either end does. */
  get shortestRoundTripMs(): number | undefined {
    return this.#latestMs.length === 0 ? undefined : Math.min(...this.#latestMs);
  }

  /** The round trip, where it was measured often enough to prefer one path to another for it. */
  get comparableRoundTripMs(): number | undefined {
    return this.#samples < 2 ? undefined : this.roundTripMs;
  }

  /** @throws NatError `NAT_INVARIANT` for a transition that the table does not have. */
  transition(to: CandidatePairState, cause: CandidatePairCause): CandidatePairTransition {
    const from = this.#state;
    if (!canTransition(from, to)) {
      throw new NatError('NAT_INVARIANT', `A candidate pair does not go from ${from} to ${to} (${cause}).`);
    }
    this.#state = to;
    this.cause = cause;
    return { pair: this.key, from, to, cause };
  }
}

function priorityOf(local: IceCandidate, remote: IceCandidate, role: IceRole): bigint {
  return role === 'controlling'
    ? pairPriority(local.priority, remote.priority)
    : pairPriority(remote.priority, local.priority);
}
