import type { RequestOf } from '@parley/protocol';

/** What clients report of their sessions, for operators. */
export interface SessionOutcomes {
  record(report: RequestOf<'session.report'>): void;
}

export const SESSION_OUTCOMES = Symbol('SessionOutcomes');
