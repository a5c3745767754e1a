import type { FlowServerControl } from '@parley/nat';
import { decodeBase64url, type DeviceId, type TenantId, type UserId } from '@parley/protocol';
import { ManualTime } from '../clock/testing/manual-time.ts';
import type { FlowOccasion } from '../gateway/relay-access.port.ts';
import { FlowRegistry } from './flow-registry.ts';

const SERVERS = ['198.51.100.7:3478'];
const deviceOf = (user: string, device = `${user}-phone`) => ({
  tenant: 'default' as TenantId,
  userId: user as UserId,
  deviceId: device as DeviceId,
});
const alice = deviceOf('alice');
const bob = deviceOf('bob');

function registry(quotas = {}) {
  const time = new ManualTime();
  const told: FlowServerControl[] = [];
  const flows = new FlowRegistry({ relays: 10, relaysPerDevice: 2, orphanMs: 1000, ...quotas }, time, time);
  flows.connect((input) => told.push(input));
  const signIn = (device: typeof alice, occasion: FlowOccasion = 'sign-in') => {
    const credentials = flows.open(device, SERVERS, occasion);
    flows.deviceReachable(device);
    return credentials!;
  };
  const ownerOf = (device: typeof alice) => `${device.tenant} ${device.userId} ${device.deviceId}`;
  const observe = (device: typeof alice, ...addresses: string[]) =>
    flows.happened({ kind: 'flow-observed', owner: ownerOf(device), addresses });
  const kinds = () => told.splice(0).map(({ kind }) => kind);
  return { time, told, flows, signIn, observe, ownerOf, kinds };
}

/** Both signed in and registered, with one relay between them. */
function relayed() {
  const world = registry();
  for (const device of [alice, bob]) {
    world.signIn(device);
    world.observe(device, '203.0.113.1');
  }
  const id = world.flows.mintRelay(alice, bob, 1000)!;
  world.flows.openRelay(id, alice, bob);
  world.kinds();
  return { ...world, id };
}

describe('FlowRegistry', () => {
  it('opens no relay with a device whose flow went to another supernode since it was minted', () => {
    const { flows, signIn, observe, kinds } = registry();
    for (const device of [alice, bob]) {
      signIn(device);
      observe(device, '203.0.113.1');
    }
    const id = flows.mintRelay(alice, bob, 1000)!;
    flows.close(bob);
    kinds();
    flows.openRelay(id, alice, bob);
    expect(kinds()).toEqual([]);
  });

  it('gives every sign-in fresh keys and a resume the ones that it has', () => {
    const { signIn, kinds } = registry();
    const first = signIn(alice);
    const second = signIn(alice);

    expect(second).not.toEqual(first);
    expect(signIn(alice, 'resume')).toEqual(second);
    expect(first).toMatchObject({ servers: SERVERS });
    expect([decodeBase64url(first.id)?.length, decodeBase64url(first.key)?.length]).toEqual([8, 32]);
    expect(kinds()).toEqual([
      'open-flow',
      'limit-flow',
      'limit-flow',
      'open-flow',
      'limit-flow',
      'limit-flow',
      'limit-flow',
    ]);
  });

  it('lets the flow of a sign-in that came to nothing end by itself', () => {
    const { flows, told } = registry();
    flows.open(alice, SERVERS, 'sign-in');
    expect(told.at(-1)).toMatchObject({ kind: 'limit-flow', forMs: 60_000 });
    flows.deviceReachable(alice);
    expect(told.at(-1)).toMatchObject({ kind: 'limit-flow', forMs: null });
  });

  it('gives a flow that stays to a device which is there and asks, the same one again and again', () => {
    const { flows, told } = registry();
    const first = flows.open(alice, SERVERS, 'request');
    expect(told.at(-1)).toMatchObject({ kind: 'limit-flow', forMs: null });
    expect(flows.open(alice, SERVERS, 'request')).toEqual(first);
  });

  it('keeps the flow of a device whose connection expired as long as it is relayed, for a while', () => {
    const { flows, told, id } = relayed();
    flows.deviceGone(alice, 'expired');
    expect(told.at(-1)).toMatchObject({ kind: 'limit-flow', forMs: 1000 });
    expect(flows.observedAddresses(alice)).toEqual(['203.0.113.1']);

    flows.happened({ kind: 'relay-pair-ended', relayId: decodeBase64url(id)!, cause: 'idle' });
    expect(told.at(-1)).toMatchObject({ kind: 'close-flow' });
    expect(flows.observedAddresses(alice)).toEqual([]);
    expect(flows.observedAddresses(bob)).toEqual(['203.0.113.1']);
  });

  it('keeps the flow of a device with another home as long as it is relayed, for a while', () => {
    const { flows, told, id } = relayed();
    flows.deviceMoved(alice);
    expect(told.at(-1)).toMatchObject({ kind: 'limit-flow', forMs: 1000 });

    flows.happened({ kind: 'relay-pair-ended', relayId: decodeBase64url(id)!, cause: 'idle' });
    expect(told.at(-1)).toMatchObject({ kind: 'close-flow' });
  });

  it('keeps a device that came back, whatever becomes of its relays', () => {
    const { flows, id, signIn } = relayed();
    flows.deviceGone(alice, 'expired');
    signIn(alice);
    flows.happened({ kind: 'relay-pair-ended', relayId: decodeBase64url(id)!, cause: 'idle' });
    expect(flows.observedAddresses(alice)).toEqual(['203.0.113.1']);
  });

  it.each(['expired', 'signed-off', 'revoked'] as const)(
    'ends the flow of a device that is not relayed and %s',
    (cause) => {
      const { flows, told, signIn } = registry();
      signIn(alice);
      flows.deviceGone(alice, cause);
      expect(told.at(-1)).toMatchObject({ kind: 'close-flow' });
      expect(flows.replay()).toEqual([]);
    },
  );

  it('ends the flow and the relays of a device that left', () => {
    const { flows, kinds } = relayed();
    flows.deviceGone(alice, 'signed-off');
    expect(kinds()).toEqual(['close-flow']);
    expect(flows.replay().map(({ kind }) => kind)).toEqual(['open-flow']);
  });

  it('does not take the end of a former flow for that of the present one', () => {
    const { flows, signIn, observe, ownerOf } = registry();
    const former = signIn(alice);
    signIn(alice);
    observe(alice, '203.0.113.1');
    flows.happened({ kind: 'flow-ended', owner: ownerOf(alice), flowId: decodeBase64url(former.id)! });
    expect(flows.observedAddresses(alice)).toEqual(['203.0.113.1']);
  });

  it('mints relays between registered devices only, and no more than the quotas allow', () => {
    const { flows, signIn, observe } = registry();
    signIn(alice);
    signIn(bob);
    observe(alice, '203.0.113.1');
    expect(flows.mintRelay(alice, bob, 1000)).toBeUndefined();
    expect(flows.refusedRelays).toBe(0);
    observe(bob, '203.0.113.2');
    for (let count = 0; count < 2; count += 1)
      flows.openRelay(flows.mintRelay(alice, bob, 1000)!, alice, bob);

    expect(flows.mintRelay(alice, bob, 1000)).toBeUndefined();
    expect(flows.refusedRelays).toBe(1);
  });

  /** Three devices, registered. */
  function three(quotas = {}) {
    const world = registry(quotas);
    const carol = deviceOf('carol');
    for (const device of [alice, bob, carol]) {
      world.signIn(device);
      world.observe(device, '203.0.113.1');
    }
    return { ...world, carol };
  }

  it('reserves a relay for the caller of an offer until the offer ends or its time is over', async () => {
    const { flows, time } = three();
    const first = flows.mintRelay(alice, bob, 1000)!;
    flows.mintRelay(alice, bob, 5000);
    expect(flows.mintRelay(alice, bob, 1000)).toBeUndefined();
    expect(flows.refusedRelays).toBe(1);

    flows.closeRelay(first);
    expect(flows.mintRelay(alice, bob, 1000)).toBeDefined();
    expect(flows.mintRelay(alice, bob, 1000)).toBeUndefined();
    await time.advance(1000);
    expect(flows.mintRelay(alice, bob, 1000)).toBeDefined();
    expect(flows.mintRelay(alice, bob, 1000)).toBeUndefined();
  });

  it('reserves within the quota of all relays, and gives back what a flow that ended had reserved', () => {
    const { flows, carol } = three({ relays: 2 });
    for (const caller of [alice, carol]) expect(flows.mintRelay(caller, bob, 1000)).toBeDefined();
    expect(flows.mintRelay(bob, carol, 1000)).toBeUndefined();

    flows.close(alice);
    expect(flows.mintRelay(bob, carol, 1000)).toBeDefined();
  });

  it('takes no room from a device that others call', () => {
    const { flows, carol } = three();
    for (let count = 0; count < 2; count += 1) flows.mintRelay(carol, alice, 1000);

    expect(flows.mintRelay(alice, bob, 1000)).toBeDefined();
  });

  it('opens no more than the quota for a callee that accepts everything', () => {
    const { flows, carol, kinds } = three();
    const ids = [carol, bob, bob].map((caller) => ({
      caller,
      id: flows.mintRelay(caller, alice, 1000)!,
    }));
    kinds();
    for (const { caller, id } of ids) flows.openRelay(id, caller, alice);
    expect(kinds()).toEqual(['open-relay-pair', 'open-relay-pair']);
    expect(flows.refusedRelays).toBe(1);
  });

  it('gives a relay some time for farewells, counts it until then, and may be asked twice', async () => {
    const { flows, time, kinds, id } = relayed();
    flows.closeRelay(id);
    flows.closeRelay(id);
    await time.advance(2999);
    expect(kinds()).toEqual([]);
    await time.advance(1);
    expect(kinds()).toEqual(['close-relay-pair']);
    expect(flows.replay().map(({ kind }) => kind)).toEqual(['open-flow', 'open-flow']);
  });

  it('ends what is between two users at once, and nothing else', () => {
    const { flows, kinds, signIn, observe } = relayed();
    const carol = deviceOf('carol');
    signIn(carol);
    observe(carol, '203.0.113.3');
    flows.openRelay(flows.mintRelay(alice, carol, 1000)!, alice, carol);
    kinds();
    flows.closeRelaysBetween(alice.tenant, ['bob', 'alice']);

    expect(kinds()).toEqual(['close-relay-pair']);
    expect(flows.replay().filter(({ kind }) => kind === 'open-relay-pair')).toHaveLength(1);
  });

  it('forgets the relays of a flow that ended, and those that the relay thread ended', () => {
    const { flows, id } = relayed();
    flows.happened({ kind: 'relay-pair-ended', relayId: decodeBase64url(id)!, cause: 'idle' });
    expect(flows.replay().map(({ kind }) => kind)).toEqual(['open-flow', 'open-flow']);
    flows.openRelay(id, alice, bob);
    flows.close(bob);
    expect(flows.replay().map(({ kind }) => kind)).toEqual(['open-flow']);
  });

  it('tells a new relay thread everything, which then tells where devices are', () => {
    const { flows, observe } = relayed();
    expect(flows.replay().map(({ kind }) => kind)).toEqual(['open-flow', 'open-flow', 'open-relay-pair']);
    expect(flows.observedAddresses(alice)).toEqual([]);
    observe(alice, '203.0.113.9');
    expect(flows.observedAddresses(alice)).toEqual(['203.0.113.9']);
  });

  it('gives a device that is gone no more time because the relay thread ended', async () => {
    const { flows, time, told } = relayed();
    flows.deviceGone(bob, 'expired');
    await time.advance(400);
    expect(flows.replay().filter(({ kind }) => kind === 'limit-flow')).toMatchObject([{ forMs: 600 }]);

    await time.advance(600);
    expect(flows.replay().map(({ kind }) => kind)).toEqual(['open-flow']);
    told.splice(0);
    flows.deviceReachable(bob);
    expect(told).toEqual([]);
  });

  it('gives nothing where there is no server for it', () => {
    expect(registry().flows.open(alice, [], 'sign-in')).toBeUndefined();
  });
});
