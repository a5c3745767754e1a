import { setTimeout as delay } from 'node:timers/promises';
import { expect } from '@jest/globals';
import {
  divergedViews,
  duplicateMessages,
  lostMessages,
  lostRecords,
  ownershipConflicts,
  servedByOthers,
} from './checkers.ts';
import type { Cluster } from './cluster.ts';
import { homeOf, type ObservedRoster } from './observed-roster.ts';
import type { People, Person } from './people.ts';
import { until } from './waiting.ts';

/**
 * How long after a roster the one before may still be followed: its poll, the announcement, and the life of a lease by which
 * a supernode notices that it was away.
 */
export const STALE_MS = 6_000;
/**
 * A supernode's, by which it renews its lease, reads rosters and looks for its stores (DESIGN section 5). The ping of a client's
 * connection comes each 25 s and only finds connections that are lost: who is home again needs none.
 */
const HEARTBEAT_MS = 1_000;
/**
 * For the processor alone: three supernodes, two stores and all clients share two cores here, and where many users come back at
 * once their presence is read, told and shown in turn. What the product itself waits for is in the heartbeats.
 */
const BUSY_MACHINE_MS = 3_000;
/** Two heartbeats after the cluster is healed everybody sees what is so. */
export const CONVERGENCE_MS = 2 * HEARTBEAT_MS + BUSY_MACHINE_MS;
/** So long what is seen is watched besides: a view that leaves the truth again is as wrong as one that comes late. */
const WATCHED_MS = 1_000;
const HEALED_MS = 60_000;
/** The history of a call is written beside it: a moment after both were told that it ended. */
const WRITTEN_MS = 5_000;
const LOOK_MS = 100;

/** What must hold whatever was done to the cluster. */
export async function expectNothingBroken(people: People): Promise<void> {
  const { history } = people;
  const end = performance.now() + WRITTEN_MS;
  await people.readBack();
  while (lostRecords(history.events).length > 0 && performance.now() < end) {
    await delay(LOOK_MS);
    await people.readBack();
  }
  expect({
    lost: lostMessages(history.events),
    forgotten: lostRecords(history.events),
    twice: duplicateMessages(history.events),
    owners: ownershipConflicts(history.events),
    strangers: servedByOthers(history.events, STALE_MS),
  }).toEqual({ lost: [], forgotten: [], twice: [], owners: [], strangers: [] });
}

/**
 * The moment from which heartbeats count: every seat belongs to a run that answers and acts by its lease, and everybody is online at
 * the home that this roster names. Looks for it while the test goes on, so that what the test does meanwhile takes nothing off the time.
 */
export function untilHealed(cluster: Cluster, people: People, persons: readonly Person[]): Promise<number> {
  const healing = until(
    'everybody at a home that acts',
    async () => {
      const roster = await cluster.roster();
      const areHome = persons.every(
        (person) => homeOf(roster, person.userId)?.nodeId === people.homeOf(person),
      );
      return areHome && (await areActing(cluster, roster)) ? people.history.now() : undefined;
    },
    HEALED_MS,
  );
  healing.catch(() => undefined); // told to whoever waits, and a test may fail before it does
  return healing;
}

/** Everybody sees each as given, in time and from then on. */
export async function expectConverged(
  { history }: People,
  wanted: readonly (readonly [Person, string])[],
  healedAt: number,
): Promise<void> {
  const by = healedAt + CONVERGENCE_MS;
  await delay(Math.max(0, by + WATCHED_MS - history.now())); // what was seen by then can be told only then
  const expected = new Map(wanted.map(([{ userId }, state]) => [userId as string, state]));
  expect(divergedViews(history.events, expected, by)).toEqual([]);
}

async function areActing(cluster: Cluster, { seats }: ObservedRoster): Promise<boolean> {
  const acting = await Promise.all(
    seats.map(({ nodeId, incarnation }) => cluster.node(nodeId).isActing(incarnation)),
  );
  return acting.every(Boolean);
}
