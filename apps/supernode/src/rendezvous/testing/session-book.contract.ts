import { LIMITS, sessionIdSchema } from '@parley/protocol';
import { callerNamed } from '../../identity/testing/callers.ts';
import type { BrokeredCall, BrokeredSession } from '../brokered-session.ts';
import type { SessionBook } from '../session-book.port.ts';

const alice = callerNamed('alice');
const bob = callerNamed('bob');
export const idOf = (n: number) =>
  sessionIdSchema.parse(Buffer.alloc(16, String(n).padStart(16)).toString('base64url'));

export const session = (n: number, over: Partial<BrokeredSession> = {}): BrokeredSession => ({
  tenant: alice.tenant,
  sessionId: idOf(n),
  state: 'offered',
  caller: alice,
  offered: [bob],
  isMuted: false,
  answeredBy: null,
  areContacts: true,
  policy: 'any',
  relays: new Map(),
  callerKnowsCallee: true,
  expiresAt: 1000,
  call: null,
  ...over,
});

export const ringing: BrokeredCall = {
  callee: bob.userId,
  media: ['audio'],
  startedAt: 0,
  answeredAt: null,
  ringsUntil: 1000,
  lost: [],
};

/** What every implementation of the port must do. Times are milliseconds of one made-up clock. */
export function sessionBookContract(make: () => SessionBook): void {
  it('refuses a session id again for the whole replay window, also after the session ended', async () => {
    const book = make();
    expect(await book.open(session(1), 0)).toBe(true);
    expect(await book.open(session(1), 1)).toBe(false);
    await book.change(alice.tenant, idOf(1), () => null);
    expect(await book.open(session(1), LIMITS.replayWindowMs)).toBe(false);
    expect(await book.open(session(1), LIMITS.replayWindowMs + 1)).toBe(true);
  });

  it('lets exactly one of two changes win', async () => {
    const book = make();
    await book.open(session(1), 0);
    const claim = () =>
      book.change(alice.tenant, idOf(1), (current) =>
        current.state === 'offered' ? { ...current, state: 'answered' } : undefined,
      );
    const results = await Promise.all([claim(), claim()]);
    expect(results.filter(Boolean)).toHaveLength(1);
  });

  it('counts and takes the sessions of a caller by state', async () => {
    const book = make();
    await book.open(session(1), 0);
    await book.open(session(2, { state: 'answered' }), 0);
    await book.open(session(3, { caller: bob, offered: [alice] }), 0);
    expect(await book.countOf(alice.tenant, alice.deviceId)).toEqual({ offered: 1, answered: 1 });
    expect(await book.takeOf(alice.tenant, alice.deviceId)).toHaveLength(2);
    expect(await book.countOf(alice.tenant, alice.deviceId)).toEqual({ offered: 0, answered: 0 });
    expect(await book.find(alice.tenant, idOf(3))).toBeDefined();
  });

  it('forgets the answered session that a caller opened first, but no offer, no call and none of others', async () => {
    const book = make();
    const call = { ...ringing, answeredAt: 1 };
    await book.open(session(1), 0);
    await book.open(session(2, { state: 'answered', answeredBy: bob, call }), 0);
    await book.open(session(3, { state: 'answered', answeredBy: alice, caller: bob, offered: [alice] }), 0);
    await book.open(session(4, { state: 'answered', answeredBy: bob }), 0);
    await book.open(session(5, { state: 'answered', answeredBy: bob }), 0);
    const forget = () => book.forgetOldestAnswered(alice.tenant, alice.deviceId);

    expect(await forget()).toBe(true);
    expect(await book.find(alice.tenant, idOf(4))).toBeUndefined();
    expect(await forget()).toBe(true);
    expect(await forget()).toBe(false);
    const left = await Promise.all([1, 2, 3, 4, 5].map((n) => book.find(alice.tenant, idOf(n))));
    expect(left.map((found) => found !== undefined)).toEqual([true, true, true, false, false]);
  });

  it('gives calls by their caller, answered ones by either party, and leaves them when it takes the sessions of a caller', async () => {
    const book = make();
    await book.open(session(1, { call: ringing }), 0);
    await book.open(session(2), 0);
    expect(await book.callsOf(bob.tenant, bob.deviceId)).toEqual([]);
    expect((await book.callsOf(alice.tenant, alice.deviceId)).map(({ sessionId }) => sessionId)).toEqual([
      idOf(1),
    ]);
    const answer = (current: BrokeredSession) =>
      ({ ...current, state: 'answered', answeredBy: bob }) as const;
    await book.change(alice.tenant, idOf(1), answer);
    await book.change(alice.tenant, idOf(2), answer);
    for (const party of [alice, bob]) {
      expect((await book.callsOf(party.tenant, party.deviceId)).map(({ sessionId }) => sessionId)).toEqual([
        idOf(1),
      ]);
    }
    expect(await book.countOf(bob.tenant, bob.deviceId)).toEqual({ offered: 0, answered: 0 });
    expect(await book.takeOf(bob.tenant, bob.deviceId)).toEqual([]);
    const taken = await book.takeOf(alice.tenant, alice.deviceId);
    expect(taken.map(({ sessionId }) => sessionId)).toEqual([idOf(2)]);
    await book.change(alice.tenant, idOf(1), () => null);
    expect(await book.callsOf(bob.tenant, bob.deviceId)).toEqual([]);
  });

  it('takes out what expired, at its time and once', async () => {
    const book = make();
    await book.open(session(1), 0);
    expect(await book.takeExpired(999)).toEqual([]);
    expect(await book.takeExpired(1000)).toHaveLength(1);
    expect(await book.takeExpired(1000)).toEqual([]);
  });

  it('takes out answered sessions too, if not to the millisecond', async () => {
    const book = make();
    await book.open(session(1, { state: 'answered' }), 0);
    await book.takeExpired(1);
    expect(await book.takeExpired(1000 + 120_000)).toHaveLength(1);
  });

  it('keeps tenants apart', async () => {
    const book = make();
    await book.open(session(1), 0);
    expect(await book.find('other' as typeof alice.tenant, idOf(1))).toBeUndefined();
  });

  it('finds what one user offers another, as long as it may be answered', async () => {
    const book = make();
    await book.open(session(1), 0);
    await book.open(session(2, { state: 'answered', answeredBy: bob }), 0);
    await book.open(session(3, { isMuted: true }), 0);
    await book.open(session(4, { caller: bob, offered: [alice] }), 0);
    await book.open(session(5, { offered: [] }), 0);
    const between = async (a: typeof alice, b: typeof alice) =>
      (await book.offersBetween(alice.tenant, a.userId, b.userId)).map(({ sessionId }) => sessionId);
    expect(await between(alice, bob)).toEqual([idOf(1)]);
    expect(await between(bob, alice)).toEqual([idOf(4)]);
  });
}
