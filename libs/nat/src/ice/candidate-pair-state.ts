/**
 * States of a candidate pair (RFC 8445 section 6.1.2.6). Beyond the RFC's figure a pair leaves `succeeded` when its consent
 * ends, and `failed` when a better path is sought again.
 */
export type CandidatePairState = 'frozen' | 'waiting' | 'in-progress' | 'succeeded' | 'failed';

export const CANDIDATE_PAIR_TRANSITIONS = {
  frozen: ['waiting', 'failed'],
  waiting: ['in-progress', 'succeeded', 'failed'],
  'in-progress': ['succeeded', 'failed', 'waiting'],
  succeeded: ['failed'],
  failed: ['waiting'],
} as const satisfies Record<CandidatePairState, readonly CandidatePairState[]>;

/** Why a pair changed state. */
export type CandidatePairCause =
  | 'unfrozen'
  | 'check-sent'
  | 'triggered'
  | 'role-conflict'
  | 'answered'
  | 'timed-out'
  | 'error-response'
  | 'asymmetric-response'
  | 'relay-refused'
  | 'base-lost'
  | 'consent-expired'
  | 'path-dead'
  | 'sought-again'
  | 'hopeless';

export function canTransition(from: CandidatePairState, to: CandidatePairState): boolean {
  const allowed: readonly CandidatePairState[] = CANDIDATE_PAIR_TRANSITIONS[from];
  return allowed.includes(to);
}
