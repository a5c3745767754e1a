import { describe, expect, it } from '@jest/globals';
import type { EventOf, Presence, ServerEventName, UserId } from '@parley/protocol';
import type { SendRequest, Signalling } from '../signalling/signalling.ts';
import { PresenceWatch } from './presence-watch.ts';

const BOB = 'bob' as UserId;
const ME = 'me' as UserId;

function presence(state: Presence['state'], epoch: number, counter: number): Presence {
  return {
    userId: BOB,
    state,
    statusText: null,
    lastSeen: null,
    devices: [],
    version: { epoch, counter },
    asOf: counter,
  };
}

/** Signalling by hand: answers every subscription with `answer`, and lets the test push events. */
class FakeSignalling implements Signalling {
  readonly isOnline = true;
  readonly asked: string[] = [];
  answer: Presence = presence('online', 1, 1);
  #listener: (event: Presence) => void = () => undefined;

  request = ((name: string, payload: { userIds?: readonly UserId[] }) => {
    this.asked.push(name);
    if (name === 'presence.set') return Promise.resolve({ ...this.answer, userId: ME });
    return Promise.resolve({ presence: (payload.userIds ?? []).slice(0, 1).map(() => this.answer) });
  }) as unknown as SendRequest;

  onEvent<Name extends ServerEventName>(_name: Name, listener: (event: EventOf<Name>) => void): () => void {
    this.#listener = listener as (event: Presence) => void;
    return () => undefined;
  }

  push(event: Presence): void {
    this.#listener(event);
  }
}

describe('PresenceWatch', () => {
  it('keeps an update that overtook the older answer to its subscription', async () => {
    const signalling = new FakeSignalling();
    const watch = new PresenceWatch(signalling, () => undefined);
    const seen: string[] = [];
    watch.on('change', ({ state }) => seen.push(state));

    const subscribing = watch.subscribe(BOB);
    signalling.push(presence('busy', 1, 2));

    expect((await subscribing).map(({ state }) => state)).toEqual(['busy']);
    expect(watch.get(BOB)?.state).toBe('busy');
    expect(seen).toEqual(['busy']);
  });

  it('orders updates by epoch and counter, and tells only what an app would show', async () => {
    const signalling = new FakeSignalling();
    const watch = new PresenceWatch(signalling, () => undefined);
    const seen: string[] = [];
    watch.on('change', ({ state }) => seen.push(state));
    await watch.subscribe(BOB);

    signalling.push(presence('busy', 1, 3));
    signalling.push(presence('away', 1, 2));
    signalling.push(presence('busy', 1, 4));
    signalling.push(presence('offline', 2, 1));
    signalling.push(presence('online', 1, 9));

    expect(seen).toEqual(['online', 'busy', 'offline']);
    expect(watch.get(BOB)?.state).toBe('offline');
  });

  it('takes what a supernode answers after it lost its memory, though its counters are lower', async () => {
    const signalling = new FakeSignalling();
    signalling.answer = presence('busy', 7, 70);
    const watch = new PresenceWatch(signalling, () => undefined);
    await watch.subscribe(BOB);
    signalling.answer = presence('away', 1, 1);

    await watch.resync(signalling.request);

    expect(watch.get(BOB)?.state).toBe('away');
  });

  it('sets its own presence again after a loss, unless it was to expire by itself', async () => {
    const signalling = new FakeSignalling();
    const watch = new PresenceWatch(signalling, () => undefined);
    await watch.set({ state: 'busy' });
    await watch.resync(signalling.request);
    await watch.set({ state: 'away', expiresInMs: 60_000 });
    await watch.resync(signalling.request);

    expect(signalling.asked.filter((name) => name === 'presence.set')).toHaveLength(3);
  });

  it('does not undo a setting that is under way when events are lost', async () => {
    const signalling = new FakeSignalling();
    const watch = new PresenceWatch(signalling, () => undefined);
    await watch.set({ state: 'busy' });
    const setting = watch.set({ state: 'away' });
    await watch.resync(signalling.request);
    await setting;

    expect(signalling.asked.filter((name) => name === 'presence.set')).toHaveLength(2);
    await watch.resync(signalling.request);
    expect(signalling.asked.filter((name) => name === 'presence.set')).toHaveLength(3);
  });

  it('follows the own presence, which another device may set', async () => {
    const signalling = new FakeSignalling();
    signalling.answer = { ...presence('invisible', 1, 1), userId: ME };
    const watch = new PresenceWatch(signalling, () => ME);
    const seen: string[] = [];
    watch.on('change', ({ userId, state }) => seen.push(`${userId} ${state}`));

    await watch.resync(signalling.request);
    await watch.unsubscribe(ME);
    signalling.push({ ...presence('online', 1, 2), userId: ME });

    expect(seen).toEqual(['me invisible', 'me online']);
    expect(watch.get(ME)?.state).toBe('online');
    expect(signalling.asked).toEqual(['presence.subscribe']);
  });

  it('tells an app that begins to watch its own user, though nothing has changed', async () => {
    const signalling = new FakeSignalling();
    signalling.answer = { ...presence('online', 1, 1), userId: ME };
    const watch = new PresenceWatch(signalling, () => ME);
    await watch.resync(signalling.request);
    const seen: string[] = [];
    watch.on('change', ({ state }) => seen.push(state));

    await watch.subscribe(ME);
    await watch.subscribe(ME);

    expect(seen).toEqual(['online']);
  });

  it('asks for many users in several requests, and for none in none', async () => {
    const signalling = new FakeSignalling();
    const watch = new PresenceWatch(signalling, () => undefined);
    await watch.subscribe(...Array.from({ length: 401 }, (_, at) => `user-${String(at)}` as UserId));
    await watch.subscribe();

    expect(signalling.asked).toEqual(['presence.subscribe', 'presence.subscribe', 'presence.subscribe']);
  });
});
