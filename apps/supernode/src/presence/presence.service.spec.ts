import { LIMITS, userIdSchema } from '@parley/protocol';
import { callerNamed } from '../identity/testing/callers.ts';
import { ManualTime, settled } from '../clock/testing/manual-time.ts';
import { MovableRoster } from '../gateway/testing/movable-ownership.ts';
import type { PresencePaceSettings } from './presence-pace.ts';
import { GRACE_MS, presenceWorld } from './testing/presence-world.ts';

const alice = callerNamed('alice');
const laptop = callerNamed('alice', 'laptop');
const bob = callerNamed('bob');
const carol = callerNamed('carol');
const eve = callerNamed('eve');

async function watched(pace?: PresencePaceSettings) {
  const world = presenceWorld(new ManualTime(), { ...(pace && { pace }) });
  world.contacts.befriend(alice.tenant, alice.userId, bob.userId);
  await world.signIn(bob);
  await world.watching.subscribe(bob, { userIds: [alice.userId] });
  const seenByBob = () => world.notifier.take(bob, 'presence.changed').map(({ state }) => state);
  return { ...world, seenByBob };
}

/** History is written together. */
const WRITTEN_MS = 100;

describe('PresenceService › watching', () => {
  it('shows a contact signing in, changing and signing off', async () => {
    const { presence, signIn, connections, seenByBob } = await watched();
    await signIn(alice);
    await presence.set(alice, { state: 'busy', statusText: 'in a call' });
    await connections.deviceGone(alice, 'signed-off');
    expect(seenByBob()).toEqual(['online', 'busy', 'offline']);
  });

  it('tells a watcher of a change once, however many devices make it', async () => {
    const { signIn, seenByBob } = await watched();
    await signIn(alice);
    await signIn(laptop);
    expect(seenByBob()).toEqual(['online']);
  });

  it('tells changes in quick succession as one, also to who began to watch between them', async () => {
    const pace = { windowMs: 50, burst: 10, perMinute: 60 };
    const { presence, signIn, watching, notifier, contacts, seenByBob, time } = await watched(pace);
    contacts.befriend(alice.tenant, alice.userId, carol.userId);
    await signIn(alice);
    await signIn(carol);
    await time.advance(pace.windowMs);
    seenByBob();

    await presence.set(alice, { state: 'away' });
    const { presence: answer } = await watching.subscribe(carol, { userIds: [alice.userId] });
    expect(answer).toMatchObject([{ state: 'away' }]);
    await presence.set(alice, { state: 'online' });
    expect(seenByBob()).toEqual([]);
    await time.advance(pace.windowMs);

    expect(notifier.take(carol, 'presence.changed').at(-1)).toMatchObject({ state: 'online' });
    expect(seenByBob()).toEqual(['online']);
  });

  it('asks the database when somebody was last seen only to show it', async () => {
    const { presence, signIn, profiles, connections, seenByBob } = await watched();
    await signIn(alice);
    const lastSeenOf = profiles.lastSeenOf.bind(profiles);
    let asked = 0;
    profiles.lastSeenOf = (tenant, userIds) => {
      asked += 1;
      return lastSeenOf(tenant, userIds);
    };

    await presence.set(alice, { state: 'busy' });
    const forTheAnswer = 1;
    expect(asked).toBe(forTheAnswer);

    await connections.deviceGone(alice, 'signed-off');
    expect(asked).toBe(forTheAnswer + 1);
    expect(seenByBob()).toEqual(['online', 'busy', 'offline']);
  });

  it('sends versions that grow', async () => {
    const { notifier, presence, signIn } = await watched();
    await signIn(alice);
    await presence.set(alice, { state: 'away' });
    const [first, second] = notifier.take(bob, 'presence.changed');
    expect(second!.version.counter).toBeGreaterThan(first!.version.counter);
  });

  it('bounds what one device watches', async () => {
    const { watching } = await watched();
    const userIds = (from: number) =>
      Array.from({ length: 200 }, (_, n) => userIdSchema.parse(`user-${from + n}`));
    for (let from = 0; from + 200 < LIMITS.maxSubscriptionsPerDevice; from += 200) {
      await watching.subscribe(bob, { userIds: userIds(from) });
    }
    await expect(watching.subscribe(bob, { userIds: userIds(5000) })).rejects.toMatchObject({
      code: 'LIMIT_EXCEEDED',
    });
  });

  it('stops after unsubscribing', async () => {
    const { watching, signIn, seenByBob } = await watched();
    await watching.unsubscribe(bob, { userIds: [alice.userId] });
    await signIn(alice);
    expect(seenByBob()).toEqual([]);
  });

  it('goes on telling watchers while the database is away, and counts what was not written', async () => {
    const { presence, signIn, profiles, background, seenByBob, connections, time } = await watched();
    await signIn(alice);
    await presence.set(alice, { state: 'away' });
    seenByBob();
    await time.advance(WRITTEN_MS);
    profiles.record = () => Promise.reject(new TypeError('database is away'));
    profiles.saveLastSeen = () => Promise.reject(new TypeError('database is away'));
    await connections.deviceGone(alice, 'signed-off');
    expect(seenByBob()).toEqual(['offline']);
    await time.advance(WRITTEN_MS);
    expect(background.failures).toBe(2);
  });
});

describe('PresenceService › lost connections', () => {
  it('causes no flap when the device returns within the grace time', async () => {
    const { connections, signIn, seenByBob, time } = await watched();
    await signIn(alice);
    seenByBob();
    await connections.deviceUnreachable(alice);
    await time.advance(GRACE_MS - 1);
    await connections.deviceReachable(alice, 'resumed');
    await time.advance(GRACE_MS * 2);
    expect(seenByBob()).toEqual([]);
  });

  it('shows the device offline at the end of the grace time, not before', async () => {
    const { connections, signIn, seenByBob, time } = await watched();
    await signIn(alice);
    seenByBob();
    await connections.deviceUnreachable(alice);
    await time.advance(GRACE_MS - 1);
    expect(seenByBob()).toEqual([]);
    await time.advance(1);
    expect(seenByBob()).toEqual(['offline']);
  });

  it('lasts while those who return are turned away, as long as a device may resume at most', async () => {
    const { connections, comebacks, signIn, seenByBob, time } = await watched();
    await signIn(alice);
    seenByBob();
    comebacks.isHoldingUp = true;
    await connections.deviceUnreachable(alice);
    await time.advance(GRACE_MS * 2);
    expect(seenByBob()).toEqual([]);

    comebacks.isHoldingUp = false;
    await time.advance(1_000);
    expect(seenByBob()).toEqual(['offline']);

    await signIn(alice);
    seenByBob();
    comebacks.isHoldingUp = true;
    await connections.deviceUnreachable(alice);
    await time.advance(LIMITS.resumeWindowMs - 1);
    expect(seenByBob()).toEqual([]);
    await time.advance(1);
    expect(seenByBob()).toEqual(['offline']);
  });

  it('lasts for devices of a lost home while others of them still return', async () => {
    const { connections, signIn, seenByBob, time } = await watched();
    const carol = callerNamed('carol');
    await signIn(alice);
    await signIn(carol);
    seenByBob();
    for (const device of [alice, carol]) await connections.leftBehind(device, () => false);
    await time.advance(GRACE_MS - 1_000);
    await connections.deviceReachable(carol, 'resumed');
    await time.advance(4_999);
    expect(seenByBob()).toEqual([]);

    await time.advance(1_001);
    expect(seenByBob()).toEqual(['offline']);
  });

  it('shows a device that came while this home might not act for a moment', async () => {
    const home = new MovableRoster().join('here');
    const { connections, devices, time } = presenceWorld(undefined, { ownership: home });
    home.mayAct = false;
    await connections.deviceReachable(alice, 'signed-in');
    await time.advance(1_000);
    home.mayAct = true;
    await time.advance(1_000);

    expect(await devices.of(alice.tenant, alice.userId)).toMatchObject([{ present: true, reachable: true }]);
  });

  it('does not show one that came, and left again before this home might act', async () => {
    const home = new MovableRoster().join('here');
    const { connections, devices, time } = presenceWorld(undefined, { ownership: home });
    home.mayAct = false;
    await connections.deviceReachable(alice, 'signed-in');
    await connections.deviceUnreachable(alice);
    home.mayAct = true;
    await time.advance(2_000);

    expect(await devices.of(alice.tenant, alice.userId)).toEqual([]);
  });

  it('keeps the user online by another device', async () => {
    const { connections, signIn, seenByBob, time } = await watched();
    await signIn(alice);
    await signIn(laptop);
    seenByBob();
    await connections.deviceUnreachable(alice);
    await time.advance(GRACE_MS);
    expect(seenByBob()).toEqual([]);
  });

  it('leaves no timer behind for a device that is gone', async () => {
    const { connections, presence, signIn, time } = await watched();
    await signIn(alice);
    await presence.set(alice, { state: 'away', expiresInMs: 60_000 });
    await connections.deviceUnreachable(alice);
    await connections.deviceGone(alice, 'expired');
    await time.advance(WRITTEN_MS);
    expect(time.pendingTimers).toBe(0);
  });

  it('tells reachable and resumable apart', async () => {
    const { connections, signIn, store, time } = await watched();
    await signIn(alice);
    await connections.deviceUnreachable(alice);
    const [stored] = await store.devicesOf(alice.tenant, alice.userId);
    expect(stored).toMatchObject({
      reachable: false,
      present: true,
      resumableUntil: time.now() + LIMITS.resumeWindowMs,
    });
  });
});

describe('PresenceService › invisible stays invisible', () => {
  /** What Bob may ever learn of Alice: subscription answers without their version and time. */
  const facts = ({
    state,
    statusText,
    lastSeen,
    devices,
  }: {
    state: string;
    statusText: unknown;
    lastSeen: unknown;
    devices: unknown;
  }) => ({
    state,
    statusText,
    lastSeen,
    devices,
  });

  it('looks like offline to a contact', async () => {
    const { watching, presence, signIn, seenByBob } = await watched();
    await watching.subscribe(bob, { userIds: [alice.userId] });
    await signIn(alice);
    await presence.set(alice, { state: 'invisible', statusText: 'hiding' });
    expect(seenByBob()).toEqual(['online', 'offline']);
  });

  it('shows no moment of being online when a hidden user signs in again', async () => {
    const { presence, signIn, connections, seenByBob } = await watched();
    await signIn(alice);
    await presence.set(alice, { state: 'invisible' });
    await connections.deviceGone(alice, 'signed-off');
    seenByBob();
    await signIn(alice);
    expect(seenByBob()).toEqual([]);
  });

  it('is not betrayed by another device of the user, and ends on all when the user shows again', async () => {
    const { presence, signIn, seenByBob } = await watched();
    await signIn(alice);
    await presence.set(alice, { state: 'invisible' });
    seenByBob();
    await signIn(laptop);
    expect(seenByBob()).toEqual([]);
    await presence.set(laptop, { state: 'online' });
    expect(seenByBob()).toEqual(['online']);
  });

  it('does not move last seen', async () => {
    const { presence, signIn, connections, profiles, time } = await watched();
    await signIn(alice);
    await presence.set(alice, { state: 'invisible' });
    const hiddenAt = time.now();
    await time.advance(60_000);
    await connections.deviceGone(alice, 'signed-off');
    expect((await profiles.load(alice.tenant, alice.userId))?.lastSeen).toBe(hiddenAt);
  });

  it('gives strangers one answer for absent, hidden, blocked-by and online users', async () => {
    const { watching, signIn, contacts } = await watched();
    await signIn(alice);
    await signIn(eve);
    contacts.befriend(eve.tenant, eve.userId, bob.userId);
    contacts.setSide(eve.tenant, bob.userId, eve.userId, 'blocked');
    const { presence: answers } = await watching.subscribe(eve, {
      userIds: [alice.userId, bob.userId, userIdSchema.parse('nobody')],
    });
    const [first, ...others] = answers.map(facts);
    expect(others).toEqual([first, first]);
    expect(first).toEqual({ state: 'offline', statusText: null, lastSeen: null, devices: [] });
  });

  it("tells the user's own devices the truth", async () => {
    const { watching, presence, signIn, notifier } = await watched();
    await signIn(alice);
    await signIn(laptop);
    await watching.subscribe(laptop, { userIds: [alice.userId] });
    await presence.set(alice, { state: 'invisible' });
    const [seen] = notifier.take(laptop, 'presence.changed');
    expect(seen).toMatchObject({ state: 'invisible' });
    expect(seen!.devices).toHaveLength(2);
  });
});

describe('PresenceService › limited time', () => {
  it('falls back to online when the time is over', async () => {
    const { presence, signIn, seenByBob, time } = await watched();
    await signIn(alice);
    await presence.set(alice, { state: 'busy', expiresInMs: 5000 });
    await time.advance(4999);
    expect(seenByBob()).toEqual(['online', 'busy']);
    await time.advance(1);
    expect(seenByBob()).toEqual(['online']);
  });

  it('is forgotten when the user chooses again', async () => {
    const { presence, signIn, seenByBob, time } = await watched();
    await signIn(alice);
    await presence.set(alice, { state: 'busy', expiresInMs: 5000 });
    await presence.set(alice, { state: 'away' });
    seenByBob();
    await time.advance(10_000);
    expect(seenByBob()).toEqual([]);
  });
});

describe('PresenceService › changed relations', () => {
  it('shows a new contact at once and hides from a blocked one at once', async () => {
    const { watching, contactsService, notifier, signIn } = presenceWorld();
    await signIn(alice);
    await signIn(bob);
    await watching.subscribe(bob, { userIds: [alice.userId] });
    await contactsService.request(alice, { userId: bob.userId });
    await contactsService.accept(bob, { userId: alice.userId });
    await settled();
    await contactsService.block(alice, { userId: bob.userId });
    await settled();
    expect(notifier.take(bob, 'presence.changed').map(({ state }) => state)).toEqual(['online', 'offline']);
  });
});

describe('PresenceService › history', () => {
  it('records every change of state with its cause', async () => {
    const { presence, signIn, connections, profiles, time } = await watched();
    await time.advance(WRITTEN_MS);
    profiles.history.splice(0);
    await signIn(alice);
    await presence.set(alice, { state: 'away' });
    await connections.deviceUnreachable(alice);
    await time.advance(GRACE_MS + WRITTEN_MS);
    expect(profiles.history.map(({ from, to, cause }) => [from, to, cause])).toEqual([
      ['offline', 'online', 'signed-in'],
      ['online', 'away', 'explicit'],
      ['away', 'offline', 'connection-lost'],
    ]);
  });
});
