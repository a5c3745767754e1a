import { eventsOf, type EventOfKind, type HistoryEvent } from './history.ts';
import { homeOf, SLOT_COUNT, type ObservedRoster } from './observed-roster.ts';

/** Each checker gives what is wrong, one sentence each; nothing when all held. */
export type Violations = readonly string[];

/** What the cluster acknowledged came to the app of its receiver. */
export function lostMessages(events: readonly HistoryEvent[]): Violations {
  const shown = new Set(eventsOf(events, 'shown').map(({ messageId, userId }) => `${messageId} ${userId}`));
  return eventsOf(events, 'stored')
    .filter(({ messageId, to }) => !shown.has(`${messageId} ${to}`))
    .map(({ messageId, to }) => `message ${messageId} was stored and never came to ${to}`);
}

/** What a user was last told to be kept is what was read at the end. */
export function lostRecords(events: readonly HistoryEvent[]): Violations {
  const kept = new Map<string, string>();
  for (const { userId, what, value } of eventsOf(events, 'kept')) kept.set(`${what} of ${userId}`, value);
  const read = new Map<string, string>();
  for (const { userId, what, value } of eventsOf(events, 'read')) read.set(`${what} of ${userId}`, value);
  return [...kept]
    .filter(([name, value]) => read.get(name) !== value)
    .map(([name, value]) => `${name} was kept as ${value} and read as ${read.get(name) ?? 'nothing'}`);
}

/** No app got a message twice. */
export function duplicateMessages(events: readonly HistoryEvent[]): Violations {
  const seen = new Set<string>();
  const violations: string[] = [];
  for (const { messageId, deviceId } of eventsOf(events, 'shown')) {
    const key = `${messageId} ${deviceId}`;
    if (seen.has(key)) violations.push(`message ${messageId} came twice to device ${deviceId}`);
    seen.add(key);
  }
  return violations;
}

/** Over all rosters: one owner for a slot and an epoch of it, epochs that only grow, and one content for a roster epoch. */
export function ownershipConflicts(events: readonly HistoryEvent[]): Violations {
  const violations = new Set<string>();
  const owners = new Map<string, string>();
  const contents = new Map<number, string>();
  const newest = new Map<number, number>();
  let epoch = -1;
  for (const { roster } of eventsOf(events, 'roster')) {
    if (roster.epoch < epoch) violations.add(`roster epoch ${roster.epoch} came after ${epoch}`);
    epoch = Math.max(epoch, roster.epoch);
    const content = JSON.stringify([roster.coordinator, roster.seats, roster.owners, roster.slotEpochs]);
    if ((contents.get(roster.epoch) ?? content) !== content)
      violations.add(`two rosters have the epoch ${roster.epoch}`);
    contents.set(roster.epoch, content);
    for (const violation of slotConflicts(roster, owners, newest)) violations.add(violation);
  }
  return [...violations];
}

function slotConflicts(
  roster: ObservedRoster,
  owners: Map<string, string>,
  newest: Map<number, number>,
): Violations {
  const violations: string[] = [];
  for (let slot = 0; slot < SLOT_COUNT; slot += 1) {
    const slotEpoch = roster.slotEpochs[slot];
    if (slotEpoch === undefined) continue;
    const seat = roster.seats[roster.owners[slot] ?? -1];
    if (!seat) {
      violations.push(`slot ${slot} belongs to nobody in the roster of epoch ${roster.epoch}`);
      continue;
    }
    if (slotEpoch > roster.epoch) violations.push(`slot ${slot} has an epoch above that of its roster`);
    const before = newest.get(slot) ?? 0;
    if (slotEpoch < before) violations.push(`the epoch of slot ${slot} fell from ${before} to ${slotEpoch}`);
    newest.set(slot, Math.max(before, slotEpoch));
    const owner = `${seat.nodeId} ${seat.incarnation}`;
    const known = owners.get(`${slot} ${slotEpoch}`) ?? owner;
    if (known !== owner)
      violations.push(`slot ${slot} has two owners in its epoch ${slotEpoch}: ${known} and ${owner}`);
    owners.set(`${slot} ${slotEpoch}`, owner);
  }
  return violations;
}

/**
 * Nobody served a user whose home it was not: who did was named by a roster that had not been replaced for longer than
 * `staleMs`, which is how long a supernode may go on before it must have noticed.
 */
export function servedByOthers(events: readonly HistoryEvent[], staleMs: number): Violations {
  const rosters = eventsOf(events, 'roster');
  return eventsOf(events, 'served')
    .filter((served) => !wasHome(served, rosters, staleMs))
    .map(
      ({ nodeId, userId, at }) =>
        `${nodeId} served ${userId} at ${at.toFixed(0)}, whose home it was not then`,
    );
}

function wasHome(
  { at, userId, nodeId }: EventOfKind<'served'>,
  rosters: readonly EventOfKind<'roster'>[],
  staleMs: number,
): boolean {
  // The recorder polls: a roster may be in force a moment before it is seen.
  return rosters.some(({ roster, at: from }, index) => {
    const until = rosters[index + 1]?.at ?? Number.POSITIVE_INFINITY;
    const isInForce = from - POLL_TOLERANCE_MS <= at && at <= until + staleMs;
    return isInForce && homeOf(roster, userId)?.nodeId === nodeId;
  });
}

const POLL_TOLERANCE_MS = 500;

/** What each watcher shows of each user at `by`, and ever since, is what is so. */
export function divergedViews(
  events: readonly HistoryEvent[],
  expected: ReadonlyMap<string, string>,
  by: number,
): Violations {
  const views = eventsOf(events, 'view').filter(({ userId }) => expected.has(userId));
  const violations: string[] = [];
  const last = new Map<string, EventOfKind<'view'>>();
  for (const view of views) {
    const key = `${view.watcher} ${view.userId}`;
    if (view.at > by && view.state !== expected.get(view.userId)) {
      violations.push(`${view.watcher} saw ${view.userId} as ${view.state} after the time was over`);
    }
    if (view.at <= by) last.set(key, view);
  }
  for (const { watcher, userId, state } of last.values()) {
    if (state !== expected.get(userId)) {
      violations.push(`${watcher} saw ${userId} as ${state}, not as ${expected.get(userId) ?? ''}, in time`);
    }
  }
  return violations;
}

/** Nobody who was there all the time was shown as offline. */
export function presenceFlaps(
  events: readonly HistoryEvent[],
  users: ReadonlySet<string>,
  since: number,
): Violations {
  return eventsOf(events, 'view')
    .filter(({ at, userId, state }) => at >= since && users.has(userId) && state === 'offline')
    .map(({ watcher, userId }) => `${watcher} saw ${userId} go offline`);
}
