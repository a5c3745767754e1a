import { callerNamed } from '../identity/testing/callers.ts';
import { StoredPresenceReader } from './presence-reader.service.ts';
import { presenceWorld } from './testing/presence-world.ts';

const [alice, bob, carol] = ['alice', 'bob', 'carol'].map((user) => callerNamed(user)) as [
  ReturnType<typeof callerNamed>,
  ReturnType<typeof callerNamed>,
  ReturnType<typeof callerNamed>,
];
const { tenant } = alice;

async function setUp() {
  const world = presenceWorld();
  for (const user of [alice, bob, carol])
    await world.profiles.saveChoice(tenant, user.userId, 'online', null);
  await world.signIn(alice);
  await world.signIn(carol);
  await world.presence.set(carol, { state: 'invisible' });
  return { ...world, reader: new StoredPresenceReader(world.store, world.profiles) };
}

const described = (page: { items: readonly { userId: string; state: string }[] }) =>
  page.items.map(({ userId, state }) => [userId, state]);

describe('StoredPresenceReader', () => {
  it('lists every account, hidden ones as they are', async () => {
    const { reader } = await setUp();
    expect(described(await reader.page({ tenant, limit: 10 }))).toEqual([
      ['alice', 'online'],
      ['bob', 'offline'],
      ['carol', 'invisible'],
    ]);
  });

  it.each(['online', 'offline', 'invisible', 'busy'] as const)('filters by %s', async (state) => {
    const { reader } = await setUp();
    const expected = { online: ['alice'], offline: ['bob'], invisible: ['carol'], busy: [] }[state];
    const { items } = await reader.page({ tenant, state, limit: 10 });
    expect(items.map(({ userId }) => userId)).toEqual(expected);
  });

  it('filters by the time of the last change', async () => {
    const { reader, time, presence } = await setUp();
    await time.advance(1000);
    await presence.set(alice, { state: 'away' });
    const { items } = await reader.page({ tenant, updatedSince: time.now(), limit: 10 });
    expect(items.map(({ userId }) => userId)).toEqual(['alice']);
  });

  it('pages without losing or repeating a user', async () => {
    const { reader } = await setUp();
    const first = await reader.page({ tenant, limit: 2 });
    const second = await reader.page({ tenant, limit: 2, after: first.next! });
    expect([...first.items, ...second.items].map(({ userId }) => userId)).toEqual(['alice', 'bob', 'carol']);
    expect(second.next).toBeNull();
  });

  it('shows each device of a user', async () => {
    const { reader, connections } = await setUp();
    await connections.deviceUnreachable(alice);
    expect(await reader.find(tenant, alice.userId)).toMatchObject({
      state: 'online',
      devices: [{ deviceId: alice.deviceId, state: 'online', reachable: false }],
    });
    expect(await reader.find(tenant, callerNamed('nobody').userId)).toBeUndefined();
  });
});
