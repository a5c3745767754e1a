import type { NodeId } from '../node-record.ts';
import type { ScoreTerms } from './score.ts';

/** Why the roster changed. */
export const DECISION_REASONS = {
  'first-seat': 'There was no active supernode.',
  'below-minimum': 'There were fewer seats than the minimum.',
  'replaces-lost-seat': 'A seat was lost.',
  'replaces-weak-seat': 'A seat with too low a score was given up for it.',
  'load-needs-it': 'The load needed one more for long enough.',
  'pinned-active': 'An operator pinned it active.',
  'lease-gone': 'Its lease was gone.',
  'unreachable-for-peers': 'Enough peers could not reach it.',
  restarted: 'Its process was started anew.',
  'database-lost': 'It had no database for too long while the coordinator had it.',
  draining: 'It asked to leave.',
  'pinned-standby': 'An operator pinned it standby.',
  'score-too-low': 'Its score was too low for long enough, and a better one took its place.',
  'too-many-seats': 'The load needed one less for long enough.',
  returned: 'All supernodes were started anew, and it got back what it had.',
  'slow-start': 'Its weight grew.',
} as const;
export type DecisionReason = keyof typeof DECISION_REASONS;

/** One decision of a coordinator, with all that it was made from. */
export interface Decision {
  /** Epoch of the roster in which it took effect. */
  readonly epoch: number;
  readonly coordinator: NodeId;
  readonly action: 'promote' | 'demote' | 'weigh';
  readonly nodeId: NodeId;
  readonly region: string;
  readonly reason: DecisionReason;
  readonly score: number | undefined;
  readonly terms: ScoreTerms | undefined;
  /** In words: which values were compared. */
  readonly detail: string;
  /** Slots that changed hands in the same roster. */
  readonly movedSlots: number;
}
