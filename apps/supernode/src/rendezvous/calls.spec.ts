import { LIMITS, type CallRecord } from '@parley/protocol';
import { ManualTime, settled } from '../clock/testing/manual-time.ts';
import { GRACE_MS } from '../presence/testing/presence-world.ts';
import { EXPIRY_MS, rendezvousWorld } from './testing/rendezvous-world.ts';
import { sessionId, signingCaller, type SigningCaller } from './testing/signed-halves.ts';

const alice = signingCaller('alice');
const alicePhone = signingCaller('alice');
const bob = signingCaller('bob');
const bobTablet = signingCaller('bob');
const eve = signingCaller('eve');
const ID = sessionId(1);

async function friends() {
  const world = rendezvousWorld();
  world.contacts.befriend(alice.tenant, alice.userId, bob.userId);
  for (const device of [alice, alicePhone, bob, bobTablet]) await world.signIn(device);
  return world;
}

/** Alice calls and Bob's tablet answers after three seconds. */
async function answeredCall() {
  const world = await friends();
  await world.call(alice, [bob, bobTablet], ID);
  await world.time.advance(3000);
  await world.answer(bobTablet, alice, ID);
  await settled();
  world.notifier.events.length = 0;
  return world;
}

type World = Awaited<ReturnType<typeof friends>>;
const gist = ({ direction, outcome }: CallRecord) => `${direction} ${String(outcome)}`;
const gistsOf = async (world: World, user: SigningCaller) => {
  await settled();
  return (await world.records(user)).map(gist);
};

describe('calls › ringing', () => {
  it('shows on every device that it is a call, and brings back that they ring', async () => {
    const { call, calls, notifier } = await friends();
    await call(alice, [bob, bobTablet], ID, { media: ['audio', 'video'] });
    for (const device of [bob, bobTablet]) {
      expect(notifier.take(device, 'session.offered')).toMatchObject([
        { call: { media: ['audio', 'video'] } },
      ]);
      await calls.ringing(device, { sessionId: ID });
    }
    expect(notifier.take(alice, 'session.ringing')).toEqual(
      [bob, bobTablet].map(({ userId, deviceId }) => ({ sessionId: ID, from: { userId, deviceId } })),
    );
  });

  it.each([
    ['is no call', null],
    ['has other media', { media: ['video' as const] }],
  ])('refuses a call whose signed offer %s, and the other way round', async (_name, signed) => {
    const { call, offer, notifier } = await friends();
    await expect(call(alice, [bob], ID, { media: ['audio'] }, signed)).rejects.toMatchObject({
      code: 'BAD_PROOF',
    });
    const over = { call: { media: ['audio'] } };
    await expect(offer(alice, [bob], ID, over)).rejects.toMatchObject({ code: 'BAD_PROOF' });
    expect(notifier.take(bob, 'session.offered')).toEqual([]);
  });

  it('lets no device ring that was not asked to, nor for a plain session, nor after the answer or the end', async () => {
    const { call, offer, answer, calls, service } = await friends();
    await call(alice, [bob], ID);
    const unknown = { code: 'SESSION_UNKNOWN' };
    await expect(calls.ringing(bobTablet, { sessionId: ID })).rejects.toMatchObject(unknown);
    await offer(alice, [bob], sessionId(2));
    await expect(calls.ringing(bob, { sessionId: sessionId(2) })).rejects.toMatchObject(unknown);
    await answer(bob, alice, ID);
    await expect(calls.ringing(bob, { sessionId: ID })).rejects.toMatchObject({ code: 'SESSION_TAKEN' });
    await service.cancel(alice, { sessionId: ID });
    await expect(calls.ringing(bob, { sessionId: ID })).rejects.toMatchObject(unknown);
  });

  it('is offered to a device that is reconnecting, as long as its user counts as online', async () => {
    const { call, connections, notifier, time } = await friends();
    const away = async (device: SigningCaller) => {
      notifier.disconnect(device);
      await connections.deviceUnreachable(device);
    };
    const offeredTo = () =>
      [bob, bobTablet].filter((device) => notifier.take(device, 'session.offered').length > 0);
    await away(bob);
    await call(alice, [bob, bobTablet], ID);
    expect(offeredTo()).toEqual([bob, bobTablet]);
    await away(bobTablet);
    await call(alice, [bob, bobTablet], sessionId(2));
    expect(offeredTo()).toEqual([bob, bobTablet]);
    await time.advance(GRACE_MS);
    const late = call(alice, [bob, bobTablet], sessionId(3)).catch((error: unknown) => error);
    await settled();
    await time.advance(LIMITS.unavailablePaddingMs);
    expect(await late).toMatchObject({ code: 'PEER_UNAVAILABLE' });
    expect(offeredTo()).toEqual([]);
  });

  it('gives no sign of a callee who went into hiding after the offer came', async () => {
    const { call, calls, answer, presence, notifier } = await friends();
    await call(alice, [bob, bobTablet], ID);
    await answer(bobTablet, alice, ID, { stage: 'early' });
    expect(notifier.take(alice, 'session.answered')).toHaveLength(1);
    await presence.set(bob, { state: 'invisible' });
    await calls.ringing(bob, { sessionId: ID });
    await answer(bob, alice, ID, { stage: 'early' });
    expect(notifier.take(alice, 'session.ringing')).toEqual([]);
    expect(notifier.take(alice, 'session.answered')).toEqual([]);
  });
});

describe('calls › ends', () => {
  it('tells all devices of the callee why it stopped when one of them declined', async () => {
    const { call, service, notifier } = await friends();
    await call(alice, [bob, bobTablet], ID);
    await service.reject(bob, { sessionId: ID, reason: 'rejected' });
    for (const device of [alice, bobTablet]) {
      expect(notifier.take(device, 'session.ended')).toEqual([{ sessionId: ID, reason: 'rejected' }]);
    }
  });

  it('goes on for the other devices while one is busy, and is answered there', async () => {
    const world = await friends();
    const { call, answer, service, calls, notifier } = world;
    await call(alice, [bob, bobTablet], ID);
    await service.reject(bob, { sessionId: ID, reason: 'busy' });
    for (const device of [alice, bobTablet]) expect(notifier.take(device, 'session.ended')).toEqual([]);
    await expect(answer(bob, alice, ID)).rejects.toMatchObject({ code: 'SESSION_UNKNOWN' });
    await calls.ringing(bobTablet, { sessionId: ID });
    await answer(bobTablet, alice, ID);
    // The busy device has heard nothing more: its leg was over.
    expect(notifier.take(bob, 'session.ended')).toEqual([]);
    expect(await gistsOf(world, bob)).toEqual(['incoming null']);
  });

  it.each<[string, (world: World) => unknown]>([
    ['is busy too', ({ service }) => service.reject(bobTablet, { sessionId: ID, reason: 'busy' })],
    ['has lost its connection', ({ notifier }) => notifier.disconnect(bobTablet)],
  ])('is busy when each other device %s', async (_name, happen) => {
    const world = await friends();
    await world.call(alice, [bob, bobTablet], ID);
    await happen(world);
    await world.service.reject(bob, { sessionId: ID, reason: 'busy' });
    expect(world.notifier.take(alice, 'session.ended')).toEqual([{ sessionId: ID, reason: 'busy' }]);
    expect(await gistsOf(world, alice)).toEqual(['outgoing busy']);
    expect(await gistsOf(world, bob)).toEqual(['incoming busy']);
  });

  it.each(['hung-up', 'lost', 'failed'] as const)(
    'brings to the other party that it ended: %s',
    async (cause) => {
      const { calls, notifier } = await answeredCall();
      await calls.end(alice, { sessionId: ID, cause });
      expect(notifier.take(bobTablet, 'session.ended')).toEqual([{ sessionId: ID, reason: cause }]);
      expect(notifier.take(bob, 'session.ended')).toEqual([]);
    },
  );

  it('lets only the two parties end it, and only once it was answered', async () => {
    const { calls, call } = await answeredCall();
    const end = (device: SigningCaller, id = ID) => calls.end(device, { sessionId: id, cause: 'hung-up' });
    await call(alice, [bob], sessionId(2));
    const unknown = { code: 'SESSION_UNKNOWN' };
    for (const device of [bob, alicePhone, eve]) await expect(end(device)).rejects.toMatchObject(unknown);
    await expect(end(alice, sessionId(2))).rejects.toMatchObject(unknown);
    await expect(end(bobTablet)).resolves.toEqual({});
    await expect(end(alice)).resolves.toEqual({});
  });

  it('ends what a supernode that restarted does not know any more, by the record', async () => {
    const { log, records, notifier } = await answeredCall();
    const restarted = rendezvousWorld();
    restarted.log.save = (entry) => log.save(entry);
    restarted.log.find = (...which) => log.find(...which);
    const end = { sessionId: ID, cause: 'hung-up' } as const;
    await expect(restarted.calls.end(alicePhone, end)).rejects.toMatchObject({ code: 'SESSION_UNKNOWN' });
    await restarted.calls.end(bobTablet, end);
    await settled();
    expect(restarted.notifier.take(alice, 'session.ended')).toEqual([{ sessionId: ID, reason: 'hung-up' }]);
    expect((await records(alice)).map(gist)).toEqual(['outgoing completed']);
    expect((await records(bob)).map(gist)).toEqual(['incoming completed']);
    expect(notifier.take(alice, 'session.ended')).toEqual([]);
  });
});

describe('calls › dead legs', () => {
  it.each([
    ['caller', alice, bobTablet],
    ['answering device', bobTablet, alice],
  ])('end as lost when the %s is gone and does not come back', async (_name, gone, left) => {
    const world = await answeredCall();
    const { service, calls, time, notifier, records } = world;
    const goneAt = time.now();
    await service.deviceGone(gone);
    await calls.deviceGone(gone);
    await time.advance(LIMITS.deadCallLegMs - 1000);
    expect(notifier.take(left, 'session.ended')).toEqual([]);
    await time.advance(2000);
    expect(notifier.take(left, 'session.ended')).toEqual([{ sessionId: ID, reason: 'lost' }]);
    expect(await records(alice)).toMatchObject([{ outcome: 'completed', endedAt: goneAt }]);
    expect(await gistsOf(world, bob)).toEqual(['incoming completed']);
  });

  it('go on when the device signs in again in time', async () => {
    const world = await answeredCall();
    await world.calls.deviceGone(alice);
    await world.time.advance(LIMITS.deadCallLegMs / 2);
    await world.calls.deviceReachable(alice, 'signed-in');
    await world.time.advance(10 * LIMITS.deadCallLegMs);
    expect(world.notifier.take(bobTablet, 'session.ended')).toEqual([]);
    expect(await gistsOf(world, alice)).toEqual(['outgoing null']);
  });

  it('are not revived by the other party', async () => {
    const world = await answeredCall();
    await world.calls.deviceGone(alice);
    await world.time.advance(LIMITS.deadCallLegMs / 2);
    await world.calls.deviceReachable(bobTablet, 'signed-in');
    await world.calls.deviceGone(bobTablet);
    await world.calls.deviceReachable(bobTablet, 'signed-in');
    await world.time.advance(LIMITS.deadCallLegMs / 2 + 1000);
    expect(world.notifier.take(bobTablet, 'session.ended')).toEqual([{ sessionId: ID, reason: 'lost' }]);
  });

  it('take an open offer back at once', async () => {
    const world = await friends();
    await world.call(alice, [bob], ID);
    await world.service.deviceGone(alice);
    expect(world.notifier.take(bob, 'session.ended')).toEqual([{ sessionId: ID, reason: 'cancelled' }]);
    expect(await gistsOf(world, bob)).toEqual(['incoming missed']);
  });

  describe('of a caller without a connection while it rings', () => {
    const endedAs = (reason: string) => [{ sessionId: ID, reason }];

    it('stop ringing after a moment, and ring on for who comes back in time', async () => {
      const world = await friends();
      const { calls, time, notifier } = world;
      await world.call(alice, [bob, bobTablet], ID);
      await calls.deviceUnreachable(alice);
      await time.advance(LIMITS.ringingCallerGraceMs - 500);
      await calls.deviceReachable(alice, 'resumed');
      await time.advance(LIMITS.ringingCallerGraceMs + 500);
      expect(notifier.take(bob, 'session.ended')).toEqual([]);

      await calls.deviceUnreachable(alice);
      await time.advance(LIMITS.ringingCallerGraceMs - 500);
      expect(notifier.take(bob, 'session.ended')).toEqual([]);
      await time.advance(1000);
      // What the caller is told waits for its return.
      for (const device of [alice, bob, bobTablet])
        expect(notifier.take(device, 'session.ended')).toEqual(endedAs('cancelled'));
      expect(await gistsOf(world, alice)).toEqual(['outgoing cancelled']);
      expect(await gistsOf(world, bob)).toEqual(['incoming missed']);
    });

    it('stop ringing too when the device signs in anew and knows of no call', async () => {
      const { call, calls, time, notifier } = await friends();
      await call(alice, [bob], ID);
      await calls.deviceReachable(alice, 'signed-in');
      await time.advance(LIMITS.ringingCallerGraceMs + 500);
      expect(notifier.take(bob, 'session.ended')).toEqual(endedAs('cancelled'));
    });

    it('ring no longer than they would have', async () => {
      const { call, calls, time, notifier } = await friends();
      await call(alice, [bob], ID);
      await time.advance(EXPIRY_MS - 1000);
      await calls.deviceUnreachable(alice);
      await time.advance(1500);
      expect(notifier.take(bob, 'session.ended')).toEqual(endedAs('expired'));
    });

    it('close what relays were made for them', async () => {
      const { call, calls, time, flows } = await friends();
      for (const device of [alice, bob]) flows.addresses.set(device.deviceId, ['203.0.113.1:1']);
      await call(alice, [bob], ID);
      await calls.deviceUnreachable(alice);
      await time.advance(LIMITS.ringingCallerGraceMs + 500);
      expect(flows.log.filter((entry) => entry.startsWith('close'))).toHaveLength(1);
    });

    it('can still be answered, and then wait like any dead leg', async () => {
      const world = await friends();
      const { call, calls, answer, time, notifier } = world;
      await call(alice, [bob], ID);
      await calls.deviceUnreachable(alice);
      await answer(bob, alice, ID);
      await time.advance(3 * LIMITS.ringingCallerGraceMs);
      await calls.deviceReachable(alice, 'resumed');
      await time.advance(EXPIRY_MS);
      expect(notifier.take(bob, 'session.ended')).toEqual([]);
      expect(await gistsOf(world, bob)).toEqual(['incoming null']);
    });

    it.each<[string, (world: World) => Promise<unknown>]>([
      ['the callee', ({ calls }) => calls.deviceUnreachable(bob)],
      ['another device of the caller', ({ calls }) => calls.deviceUnreachable(alicePhone)],
    ])('ring on when it is %s whose connection is lost', async (_name, happen) => {
      const world = await friends();
      await world.call(alice, [bob], ID);
      await happen(world);
      await world.time.advance(2 * LIMITS.ringingCallerGraceMs);
      expect(world.notifier.take(bob, 'session.ended')).toEqual([]);
    });
  });

  it('leave no record open for ever', async () => {
    const world = await answeredCall();
    // Another supernode, a day later: the sweeps of a whole day would take seconds.
    const lost = rendezvousWorld(new ManualTime(world.time.now() + LIMITS.callRecordOpenMs + 10_000));
    lost.log.page = (...which) => world.log.page(...which);
    expect(await lost.records(alice)).toMatchObject([{ outcome: 'completed', endedAt: null }]);
    expect(await world.records(alice)).toMatchObject([{ outcome: null, endedAt: null }]);
  });
});

describe('calls › history', () => {
  it.each<[string, (world: World) => Promise<unknown>, string[], string[]]>([
    [
      'answered and hung up',
      async ({ answer, calls }) => {
        await answer(bob, alice, ID);
        await calls.end(bob, { sessionId: ID, cause: 'hung-up' });
      },
      ['outgoing completed'],
      ['incoming completed'],
    ],
    [
      'without media',
      async ({ answer, calls }) => {
        await answer(bob, alice, ID);
        await calls.end(alice, { sessionId: ID, cause: 'failed' });
      },
      ['outgoing failed'],
      ['incoming failed'],
    ],
    [
      'rejected',
      ({ service }) => service.reject(bob, { sessionId: ID, reason: 'rejected' }),
      ['outgoing rejected'],
      ['incoming rejected'],
    ],
    [
      'to somebody busy',
      async ({ service }) => {
        for (const device of [bob, bobTablet])
          await service.reject(device, { sessionId: ID, reason: 'busy' });
      },
      ['outgoing busy'],
      ['incoming busy'],
    ],
    [
      'taken back',
      ({ service }) => service.cancel(alice, { sessionId: ID }),
      ['outgoing cancelled'],
      ['incoming missed'],
    ],
    [
      'that nobody answered',
      ({ time }) => time.advance(EXPIRY_MS + 1000),
      ['outgoing missed'],
      ['incoming missed'],
    ],
    [
      'cancelled after the answer',
      async ({ answer, service }) => {
        await answer(bob, alice, ID);
        await service.cancel(alice, { sessionId: ID });
      },
      ['outgoing completed'],
      ['incoming completed'],
    ],
  ])('has a call %s once for each user', async (_name, happen, forAlice, forBob) => {
    const world = await friends();
    await world.call(alice, [bob, bobTablet], ID);
    await happen(world);
    expect(await gistsOf(world, alice)).toEqual(forAlice);
    expect(await gistsOf(world, bob)).toEqual(forBob);
  });

  it('says when, with whom and on which device, to every connected device of both', async () => {
    const world = await friends();
    const { call, answer, calls, time, notifier, records } = world;
    const startedAt = time.now();
    await call(alice, [bob, bobTablet], ID, { media: ['video'] });
    await time.advance(2000);
    await answer(bobTablet, alice, ID);
    await time.advance(60_000);
    await calls.end(alice, { sessionId: ID, cause: 'hung-up' });
    await settled();
    const times = { startedAt, answeredAt: startedAt + 2000, endedAt: startedAt + 62_000 };
    const common = {
      sessionId: ID,
      media: ['video'],
      answeredBy: bobTablet.deviceId,
      outcome: 'completed',
      ...times,
    };
    const forAlice = { cursor: 2, peer: 'bob', direction: 'outgoing', ...common };
    const forBob = { cursor: 2, peer: 'alice', direction: 'incoming', ...common };
    expect(await records(alice)).toEqual([forAlice]);
    expect(await records(bob, 1)).toEqual([forBob]);
    for (const [device, record] of [
      [alice, forAlice],
      [alicePhone, forAlice],
      [bob, forBob],
      [bobTablet, forBob],
    ] as const) {
      const going = { ...record, cursor: 1, endedAt: null, outcome: null };
      expect(notifier.take(device, 'call.recorded')).toEqual([{ record: going }, { record }]);
    }
  });

  it('leaves plain sessions out', async () => {
    const world = await friends();
    await world.offer(alice, [bob], ID);
    await world.answer(bob, alice, ID);
    await world.service.cancel(alice, { sessionId: ID });
    expect(await gistsOf(world, alice)).toEqual([]);
    await expect(world.calls.end(bob, { sessionId: ID, cause: 'lost' })).rejects.toMatchObject({
      code: 'SESSION_UNKNOWN',
    });
  });

  it('is written when the database is back, and not at all for what the database refuses', async () => {
    const world = await friends();
    const away = Object.assign(new Error('away'), { code: 'P1001' });
    world.log.failures.push(away, away, away);
    await world.call(alice, [bob], ID);
    await world.service.cancel(alice, { sessionId: ID });
    expect(await gistsOf(world, alice)).toEqual([]);
    await world.time.advance(60_000);
    expect(await gistsOf(world, alice)).toEqual(['outgoing cancelled']);
    expect(await gistsOf(world, bob)).toEqual(['incoming missed']);

    world.log.failures.push(new Error('no such column'));
    await world.call(alice, [bob], sessionId(2));
    await world.service.cancel(alice, { sessionId: sessionId(2) });
    await world.time.advance(60_000);
    expect(await gistsOf(world, alice)).toEqual(['outgoing cancelled']);
    expect(world.background.failures).toBe(1);
  });

  it('gets a last chance when the supernode stops', async () => {
    const world = await friends();
    world.log.failures.push(Object.assign(new Error('away'), { code: 'P1001' }));
    await world.call(alice, [bob], ID);
    await world.service.cancel(alice, { sessionId: ID });
    await settled();
    await world.recorder.onModuleDestroy();
    expect(await gistsOf(world, alice)).toEqual(['outgoing cancelled']);
  });
});

describe('calls › glare', () => {
  const [low, high] = [sessionId(1), sessionId(2)];

  it('leaves no trace of the call that gave way', async () => {
    const world = await friends();
    await world.call(bob, [alice, alicePhone], high);
    await world.call(alice, [bob, bobTablet], low);
    await world.service.cancel(bob, { sessionId: high, yieldsTo: low });
    await world.answer(bob, alice, low);
    expect(world.notifier.take(alicePhone, 'session.ended')).toEqual([
      { sessionId: high, reason: 'cancelled' },
    ]);
    expect(await gistsOf(world, alice)).toEqual(['outgoing null']);
    expect(await gistsOf(world, bob)).toEqual(['incoming null']);
  });

  it.each<[string, (world: World) => Promise<unknown>]>([
    ['that does not exist', () => Promise.resolve()],
    ['that is no call', ({ offer }) => offer(alice, [bob], low)],
    ['of somebody else', ({ call }) => call(eve, [bob], low)],
    ['in the same direction', ({ call }) => call(bobTablet, [alice], low)],
  ])('is not believed with a call %s', async (_name, prepare) => {
    const world = await friends();
    await world.signIn(eve);
    await prepare(world);
    await world.call(bob, [alice], high);
    await world.service.cancel(bob, { sessionId: high, yieldsTo: low });
    expect(await gistsOf(world, alice)).toContain('incoming missed');
  });

  it('is not believed of the call that wins', async () => {
    const world = await friends();
    await world.call(bob, [alice], high);
    await world.call(alice, [bob], low);
    await world.service.cancel(alice, { sessionId: low, yieldsTo: high });
    expect(await gistsOf(world, bob)).toEqual(['incoming missed']);
  });
});

describe('calls › nobody learns by calling who is there', () => {
  /** Everything that the caller can observe until well after the offer expired, its history included, with the times. */
  async function observe(world: World, caller: SigningCaller): Promise<unknown[]> {
    const { time, notifier, call } = world;
    const start = time.now();
    const seen: unknown[] = [];
    const outcome = call(caller, [bob, bobTablet], ID).then(
      () => seen.push(['taken', time.now() - start]),
      (error: unknown) => seen.push([(error as { code: string }).code, time.now() - start]),
    );
    await time.advance(0);
    for (let elapsed = 0; elapsed < EXPIRY_MS + 2000; elapsed += 250) {
      await time.advance(250);
      for (const { reason } of notifier.take(caller, 'session.ended'))
        seen.push([reason, time.now() - start]);
      for (const { record } of notifier.take(caller, 'call.recorded'))
        seen.push([gist(record), time.now() - start]);
      expect(notifier.take(caller, 'session.ringing')).toEqual([]);
    }
    await outcome;
    for (const { startedAt, endedAt, answeredBy } of await world.records(caller))
      seen.push([startedAt - start, (endedAt ?? 0) - start, answeredBy]);
    return seen;
  }

  it.each(['block', 'remove'] as const)(
    'ends at once for the callee who ends the relation while it rings, and for the caller as if nobody answered: %s',
    async (action) => {
      const world = await friends();
      const { call, calls, answer, candidates, contactsService, notifier, time } = world;
      await call(alice, [bob, bobTablet], ID);
      await calls.ringing(bob, { sessionId: ID });
      await contactsService[action](bob, { userId: alice.userId });
      await settled();
      for (const device of [bob, bobTablet]) {
        expect(notifier.take(device, 'session.ended')).toEqual([{ sessionId: ID, reason: 'rejected' }]);
        await expect(answer(device, alice, ID)).rejects.toMatchObject({ code: 'SESSION_UNKNOWN' });
        await expect(calls.ringing(device, { sessionId: ID })).rejects.toMatchObject({
          code: 'SESSION_UNKNOWN',
        });
      }
      // What the caller may do is taken as before, and reaches nobody.
      await expect(candidates(alice, bob, ID)).resolves.toEqual({});
      expect(notifier.take(bob, 'session.candidates')).toEqual([]);
      expect(notifier.take(alice, 'session.ended')).toEqual([]);
      await time.advance(EXPIRY_MS + 1000);
      expect(notifier.take(alice, 'session.ended')).toEqual([{ sessionId: ID, reason: 'expired' }]);
      expect(notifier.take(bob, 'session.ended')).toEqual([]);
      expect(await gistsOf(world, alice)).toEqual(['outgoing missed']);
      expect(await gistsOf(world, bob)).toEqual([]);
    },
  );

  it('is taken back when its caller blocks the callee while it rings', async () => {
    const world = await friends();
    await world.call(alice, [bob, bobTablet], ID);
    await world.contactsService.block(alicePhone, { userId: bob.userId });
    await settled();
    for (const device of [alice, bob, bobTablet]) {
      expect(world.notifier.take(device, 'session.ended')).toEqual([{ sessionId: ID, reason: 'cancelled' }]);
    }
    expect(await gistsOf(world, alice)).toEqual(['outgoing cancelled']);
  });

  it('leaves a call alone that goes on when one blocks the other', async () => {
    const world = await answeredCall();
    await world.contactsService.block(bob, { userId: alice.userId });
    await settled();
    for (const device of [alice, bobTablet]) expect(world.notifier.take(device, 'session.ended')).toEqual([]);
  });

  const states: Record<string, (world: World) => Promise<void> | void> = {
    offline: ({ notifier }) => {
      for (const device of [bob, bobTablet]) notifier.forget(device);
    },
    hiding: async ({ presence }) => {
      await presence.set(bob, { state: 'invisible' });
    },
    'blocking the caller': ({ contacts }) => {
      for (const { userId } of [alice, eve]) contacts.setSide(bob.tenant, bob.userId, userId, 'blocked');
    },
  };
  const forStrangers: typeof states = { ...states, 'online and silent': () => undefined };

  it.each(Object.keys(forStrangers))('never rings for a stranger, with somebody %s', async (name) => {
    const world = await friends();
    await world.signIn(eve);
    await forStrangers[name]!(world);
    const seen = await observe(world, eve);
    expect(seen).toEqual([
      ['taken', 0],
      ['unavailable', EXPIRY_MS],
      ['outgoing missed', EXPIRY_MS],
      [0, EXPIRY_MS, null],
    ]);
    for (const device of [bob, bobTablet]) expect(world.notifier.take(device, 'session.offered')).toEqual([]);
    expect(await world.records(bob)).toEqual([]);
  });

  it.each([...Object.keys(states), 'who removed the caller'])(
    'gives a contact one answer and one record for somebody %s',
    async (name) => {
      const world = await friends();
      if (name === 'who removed the caller')
        world.contacts.setSide(bob.tenant, bob.userId, alice.userId, 'none');
      else await states[name]!(world);
      const delay = LIMITS.unavailablePaddingMs;
      expect(await observe(world, alice)).toEqual([
        ['PEER_UNAVAILABLE', delay],
        ['outgoing missed', delay],
        [0, delay, null],
      ]);
      for (const device of [bob, bobTablet])
        expect(world.notifier.take(device, 'session.offered')).toEqual([]);
      const isTold = name === 'offline' || name === 'hiding';
      expect((await world.records(bob)).map(gist)).toEqual(isTold ? ['incoming missed'] : []);
    },
  );
});
