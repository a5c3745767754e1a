import { beforeEach, describe, expect, it } from '@jest/globals';
import { ManualTime, settled } from '../clock/testing/manual-time.ts';
import { MovableRoster, type MovableOwnership } from '../gateway/testing/movable-ownership.ts';
import { callerNamed } from '../identity/testing/callers.ts';
import { Metrics } from '../observability/metrics.ts';
import type { BrokeredSession } from './brokered-session.ts';
import { HomeSessionBook } from './home-session-book.ts';
import { DetachableBook } from './testing/detachable-book.ts';
import { idOf, ringing, session, sessionBookContract } from './testing/session-book.contract.ts';

const alice = callerNamed('alice');
const bob = callerNamed('bob');
const away = { code: 'SN_REDIS_UNREACHABLE' };

const answerAs = (device: string) => (current: BrokeredSession) =>
  current.state === 'offered'
    ? ({ ...current, state: 'answered', answeredBy: callerNamed('bob', device) } as const)
    : undefined;

describe('HomeSessionBook', () => {
  let shared: DetachableBook;
  let roster: MovableRoster;
  let home: MovableOwnership;
  let other: MovableOwnership;
  let book: HomeSessionBook;

  const bookAt = (ownership: MovableOwnership, isUp = () => !shared.isAway) =>
    new HomeSessionBook(
      { ...shared.store, isUp },
      ownership,
      new ManualTime(),
      new Metrics({ withProcess: false }),
    );

  beforeEach(() => {
    shared = new DetachableBook();
    roster = new MovableRoster();
    [home, other] = [roster.join('home'), roster.join('other')];
    book = bookAt(home);
  });

  describe('with the shared book', () => sessionBookContract(() => bookAt(home)));

  describe('with all sessions here', () => sessionBookContract(() => bookAt(home, () => false)));

  it('keeps nothing to itself while the shared book is there', async () => {
    await book.open(session(1), 0);
    expect(await bookAt(other).find(alice.tenant, idOf(1))).toBeDefined();
  });

  it('opens no session here that has a party of another home', async () => {
    roster.move([bob], other);
    shared.isAway = true;
    await expect(book.open(session(1), 0)).rejects.toMatchObject(away);
    await expect(book.open(session(2, { offered: [], call: ringing }), 0)).rejects.toMatchObject(away);
    await expect(bookAt(other).open(session(3), 0)).rejects.toMatchObject(away);
    expect(await book.open(session(4, { offered: [] }), 0)).toBe(true);
  });

  it('opens none here once this supernode may not act for the users any more', async () => {
    shared.isAway = true;
    home.mayAct = false;
    await expect(book.open(session(1), 0)).rejects.toMatchObject(away);
  });

  it('knows nothing of a session that only the shared book has, and says so', async () => {
    await book.open(session(1), 0);
    shared.isAway = true;
    await expect(book.find(alice.tenant, idOf(1))).rejects.toMatchObject(away);
    await expect(book.change(alice.tenant, idOf(1), answerAs('phone'))).rejects.toMatchObject(away);
    expect(await book.open(session(1), 1)).toBe(false);
  });

  it('brings what was opened here to the shared book when that is back, empty or not', async () => {
    await book.open(session(1), 0);
    shared.isAway = true;
    await book.open(session(2), 0);
    await book.open(session(3, { call: ringing }), 0);
    await book.change(alice.tenant, idOf(3), answerAs('phone'));
    expect(await book.takeExpired(1)).toEqual([]);

    shared.empty();
    shared.isAway = false;
    expect(await book.takeExpired(1)).toEqual([]);

    const elsewhere = bookAt(other);
    expect(await elsewhere.find(alice.tenant, idOf(1))).toBeUndefined();
    expect(await elsewhere.find(alice.tenant, idOf(2))).toMatchObject({ state: 'offered' });
    expect(await elsewhere.change(alice.tenant, idOf(3), answerAs('tablet'))).toBeUndefined();
    expect(await elsewhere.change(alice.tenant, idOf(2), answerAs('tablet'))).toBeDefined();
    expect(await book.change(alice.tenant, idOf(2), answerAs('phone'))).toBeUndefined();
    expect(await book.open(session(2), 2)).toBe(false);
  });

  it('lets one answer win of those that are given while the session goes to the shared book', async () => {
    shared.isAway = true;
    await book.open(session(1), 0);
    shared.isAway = false;
    let arrive: () => void = () => undefined;
    shared.waits.set('open', new Promise((resolve) => (arrive = resolve)));
    const sweep = book.takeExpired(1);
    await settled();
    const claims = ['phone', 'tablet'].map((device) => book.change(alice.tenant, idOf(1), answerAs(device)));
    await settled();
    arrive();
    await sweep;
    claims.push(book.change(alice.tenant, idOf(1), answerAs('desk')));
    expect((await Promise.all(claims)).filter(Boolean)).toHaveLength(1);
  });

  it('changes nothing of a session of which nobody knows whether it arrived', async () => {
    shared.isAway = true;
    await book.open(session(1), 0);
    shared.isAway = false;
    shared.losesAnswers = true;
    await book.takeExpired(1);
    shared.losesAnswers = false;
    await expect(book.find(alice.tenant, idOf(9))).resolves.toBeUndefined();
    await expect(book.find(alice.tenant, idOf(1))).rejects.toMatchObject(away);
    shared.isAway = true;
    await expect(book.change(alice.tenant, idOf(1), answerAs('phone'))).rejects.toMatchObject(away);

    shared.isAway = false;
    // Somebody else may have found it there since.
    await shared.held.change(alice.tenant, idOf(1), answerAs('tablet'));
    await book.takeExpired(2);
    expect(await book.change(alice.tenant, idOf(1), answerAs('phone'))).toBeUndefined();
    expect((await book.find(alice.tenant, idOf(1)))?.answeredBy).toEqual(callerNamed('bob', 'tablet'));
  });

  it('does not open here what the shared book may have got', async () => {
    shared.losesAnswers = true;
    await expect(book.open(session(1), 0)).rejects.toMatchObject(away);
    shared.isAway = true;
    await expect(book.find(alice.tenant, idOf(1))).rejects.toMatchObject(away);
    // The caller asks again: where it were opened here as well, one device could answer here, and another one there later.
    await expect(book.open(session(1), 1)).rejects.toMatchObject(away);

    shared.losesAnswers = false;
    shared.isAway = false;
    expect(await book.open(session(1), 2)).toBe(false);
  });

  it.each(['takeOf', 'callsOf', 'offersBetween'] as const)(
    'finds a session once that goes to the shared book meanwhile (%s)',
    async (look) => {
      shared.isAway = true;
      await book.open(session(1, { call: ringing }), 0);
      shared.isAway = false;
      let arrive: () => void = () => undefined;
      shared.waits.set('open', new Promise((resolve) => (arrive = resolve)));
      const found =
        look === 'offersBetween'
          ? book.offersBetween(alice.tenant, alice.userId, bob.userId)
          : book[look](alice.tenant, alice.deviceId);
      const sweep = book.takeExpired(1);
      await settled();
      arrive();
      await sweep;
      expect((await found).map(({ sessionId }) => sessionId)).toEqual([idOf(1)]);
    },
  );

  it('counts a device here and there against one limit', async () => {
    await book.open(session(1), 0);
    shared.isAway = true;
    await book.open(session(2), 0);
    expect(await book.countOf(alice.tenant, alice.deviceId)).toEqual({ offered: 1, answered: 0 });
    shared.isAway = false;
    expect(await book.countOf(alice.tenant, alice.deviceId)).toEqual({ offered: 2, answered: 0 });
  });

  it('ends what expires here while the shared book is away', async () => {
    shared.isAway = true;
    await book.open(session(1), 0);
    const expired = await book.takeExpired(1000);
    expect(expired).toHaveLength(1);
    await book.confirmExpired(expired);
    shared.isAway = false;
    expect(await book.takeExpired(100_000)).toEqual([]);
  });
});
