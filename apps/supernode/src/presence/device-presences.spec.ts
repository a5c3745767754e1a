import { beforeEach, describe, expect, it } from '@jest/globals';
import type { TenantId, UserId } from '@parley/protocol';
import { BackgroundTasks } from '../background-tasks.ts';
import { ManualTime } from '../clock/testing/manual-time.ts';
import { OwnAddresses } from '../cluster/own-addresses.ts';
import { SoleOwnership } from '../cluster/sole-ownership.ts';
import { SupernodeError } from '../errors.ts';
import type { Caller } from '../identity/caller.ts';
import { callerNamed } from '../identity/testing/callers.ts';
import { DevicePresences } from './device-presences.ts';
import { HomeWatches } from './home-watches.service.ts';
import { MemoryPresenceStore } from './presence-store.memory.ts';
import { PresenceRenewal } from './presence-renewal.service.ts';
import { MemoryWatchStore } from './watch-store.memory.ts';
import { Metrics } from '../observability/metrics.ts';

const alice = callerNamed('alice');
const bob = callerNamed('bob');
const carol = callerNamed('carol');
const ownership = new SoleOwnership('self', 1, new OwnAddresses());

/** A store that may be away, and that knows another home of some users. */
class MovingStore extends MemoryPresenceStore {
  isAway = false;
  readonly elsewhere = new Set<UserId>();

  override put(...args: Parameters<MemoryPresenceStore['put']>): Promise<void> {
    return this.ask(args[0].device.userId, () => super.put(...args));
  }

  renewOne(userId: UserId): Promise<void> {
    return this.ask(userId, () => super.renew());
  }

  private ask(userId: UserId, question: () => Promise<void>): Promise<void> {
    if (this.isAway) return Promise.reject(new SupernodeError('SN_REDIS_UNREACHABLE', 'away'));
    if (this.elsewhere.has(userId)) return Promise.reject(new SupernodeError('SN_NOT_OWNER', 'elsewhere'));
    return question();
  }
}

let store: MovingStore;
let devices: DevicePresences;
let background: BackgroundTasks;
let time: ManualTime;

beforeEach(() => {
  store = new MovingStore(ownership);
  time = new ManualTime();
  background = new BackgroundTasks();
  devices = new DevicePresences(store, ownership, time, time, background);
});

async function show({ tenant, userId, deviceId }: Caller, present: boolean): Promise<void> {
  const device = { tenant, userId, deviceId };
  const chosen = { state: 'online', statusText: null, setAt: 0 } as const;
  await devices.write({ ...chosen, device, present, reachable: present, resumableUntil: null });
}

async function storedOf({ tenant, userId }: Caller): Promise<boolean | undefined> {
  return (await store.devicesOf(tenant, userId))[0]?.present;
}

describe('DevicePresences', () => {
  it('saves what the store missed of all others, also where one user has another home by then', async () => {
    for (const user of [alice, bob, carol]) await show(user, true);
    store.isAway = true;
    for (const user of [alice, bob, carol]) await show(user, false);

    store.isAway = false;
    store.elsewhere.add(alice.userId);
    await time.advance(1_000);

    expect(await Promise.all([alice, bob, carol].map(storedOf))).toEqual([true, false, false]);
    expect(background.failures).toBe(0);
  });

  it('waits with all of it while the store is still away', async () => {
    for (const user of [alice, bob]) await show(user, true);
    store.isAway = true;
    for (const user of [alice, bob]) await show(user, false);
    await time.advance(5_000);
    store.isAway = false;
    await time.advance(1_000);

    expect(await Promise.all([alice, bob].map(storedOf))).toEqual([false, false]);
    expect(background.failures).toBe(0);
  });
});

describe('PresenceRenewal', () => {
  it('goes on with the others where one user has another home by then', async () => {
    for (const user of [alice, bob, carol]) await show(user, true);
    const metrics = new Metrics({ withProcess: false });
    const watches = new HomeWatches(new MemoryWatchStore(), null, background, time, metrics);
    const renewed: UserId[] = [];
    const noting = {
      renew: async (_tenant: TenantId, userId: UserId) => {
        await store.renewOne(userId);
        renewed.push(userId);
      },
    };
    store.elsewhere.add(alice.userId);

    await new PresenceRenewal(devices, noting, watches, time, background).renewAll();

    expect(renewed).toEqual([bob.userId, carol.userId]);
    expect(background.failures).toBe(0);
  });
});
