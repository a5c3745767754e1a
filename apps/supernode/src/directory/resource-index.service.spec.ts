import { LIMITS } from '@parley/protocol';
import { callerNamed } from '../identity/testing/callers.ts';
import { presenceWorld } from '../presence/testing/presence-world.ts';
import { HomeOffers } from './home-offers.service.ts';
import { MemoryResourceIndex } from './resource-index.memory.ts';
import { ResourceIndexService } from './resource-index.service.ts';

const alice = callerNamed('alice');
const bob = callerNamed('bob');
const eve = callerNamed('eve');
const file = { kind: 'file', key: 'f00d' };

async function setUp() {
  const world = presenceWorld();
  const { time, views, background } = world;
  const index = new MemoryResourceIndex(time);
  const offers = new HomeOffers(index, null, time, time, background);
  const service = new ResourceIndexService(index, offers, time, time, views, background);
  service.onModuleInit();
  world.contacts.befriend(alice.tenant, alice.userId, bob.userId);
  for (const user of [alice, bob, eve]) await world.signIn(user);
  await service.announce(alice, { ...file, ttlMs: 60_000, attributes: { size: '1' } });
  const found = async (caller: typeof alice) =>
    (await service.find(caller, file)).holders.map(({ userId }) => userId);
  return { ...world, service, found };
}

describe('ResourceIndexService', () => {
  it('shows a holder to a contact and to itself, and not to a stranger', async () => {
    const { found } = await setUp();
    expect(await found(bob)).toEqual(['alice']);
    expect(await found(alice)).toEqual(['alice']);
    expect(await found(eve)).toEqual([]);
  });

  it('hides a holder that hides', async () => {
    const { found, presence } = await setUp();
    await presence.set(alice, { state: 'invisible' });
    expect(await found(bob)).toEqual([]);
  });

  it('ends with the time-to-live, and with the device', async () => {
    const { found, time, service } = await setUp();
    await time.advance(59_999);
    expect(await found(bob)).toEqual(['alice']);
    await time.advance(1);
    expect(await found(bob)).toEqual([]);
    await service.announce(alice, { ...file, ttlMs: 60_000 });
    await service.deviceGone(alice);
    expect(await found(bob)).toEqual([]);
  });

  it('bounds what one device offers', async () => {
    const { service } = await setUp();
    for (let n = 1; n < LIMITS.maxResourcesPerDevice; n += 1) {
      await service.announce(alice, { kind: 'file', key: String(n), ttlMs: 60_000 });
    }
    const more = service.announce(alice, { kind: 'room', key: 'x', ttlMs: 60_000 });
    await expect(more).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
  });

  it('forgets a withdrawn resource', async () => {
    const { service, found } = await setUp();
    await service.withdraw(alice, file);
    expect(await found(bob)).toEqual([]);
  });
});
