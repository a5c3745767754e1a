import { expect } from '@jest/globals';
import { duplicateMessages, lostMessages, ownershipConflicts, servedByOthers } from './checkers.ts';
import type { People } from './people.ts';

/**
 * How long after a roster the one before may still be followed: its poll, the announcement, and the life of a lease by which
 * a supernode notices that it was away.
 */
export const STALE_MS = 6_000;
/** Two heartbeats of a supernode's lease, and what a busy machine takes to pass the news on. */
export const CONVERGENCE_MS = 10_000;

/** What must hold whatever was done to the cluster. */
export function expectNothingBroken({ history }: People): void {
  expect({
    lost: lostMessages(history.events),
    twice: duplicateMessages(history.events),
    owners: ownershipConflicts(history.events),
    strangers: servedByOthers(history.events, STALE_MS),
  }).toEqual({ lost: [], twice: [], owners: [], strangers: [] });
}
