import { randomBytes } from 'node:crypto';
import { LIMITS, sessionIdSchema } from '@parley/protocol';
import { MemorySessionBook } from './session-book.memory.ts';
import { EXPIRY_MS, rendezvousWorld } from './testing/rendezvous-world.ts';
import {
  offerPayload,
  sessionId,
  signAs,
  signingCaller,
  type SigningCaller,
} from './testing/signed-halves.ts';

const alice = signingCaller('alice');
const bob = signingCaller('bob');
const bobTablet = { ...signingCaller('bob') };
const eve = signingCaller('eve');

/** As shared by two homes: what was read may have changed when the change is written, and is read again. */
class ContendedBook extends MemorySessionBook {
  override async change(...[tenant, sessionId, change]: Parameters<MemorySessionBook['change']>) {
    const read = await this.find(tenant, sessionId);
    if (read) change(read);
    return super.change(tenant, sessionId, change);
  }
}

async function friends(book = new MemorySessionBook()) {
  const world = rendezvousWorld(undefined, { book });
  world.contacts.befriend(alice.tenant, alice.userId, bob.userId);
  await world.signIn(alice);
  await world.signIn(bob);
  await world.signIn(bobTablet);
  return world;
}

describe('RendezvousService › offer and answer', () => {
  it('shows an offer on every named device and brings the first answer back', async () => {
    const { offer, answer, notifier } = await friends();

    await offer(alice, [bob, bobTablet], sessionId(1));
    const [shown] = notifier.take(bob, 'session.offered');
    expect(shown).toMatchObject({
      from: { userId: 'alice', deviceId: alice.deviceId },
      contact: true,
      expiresInMs: EXPIRY_MS,
    });
    expect(notifier.take(bobTablet, 'session.offered')).toHaveLength(1);

    await answer(bobTablet, alice, sessionId(1));
    expect(notifier.take(alice, 'session.answered')).toMatchObject([
      { from: { deviceId: bobTablet.deviceId } },
    ]);
    expect(notifier.take(bob, 'session.ended')).toEqual([
      { sessionId: sessionId(1), reason: 'answered-elsewhere' },
    ]);
    await expect(answer(bob, alice, sessionId(1))).rejects.toMatchObject({ code: 'SESSION_TAKEN' });
  });

  it('is taken by one of two devices that answer at two homes in the same moment', async () => {
    const { offer, answer, notifier } = await friends(new ContendedBook());
    await offer(alice, [bob, bobTablet], sessionId(1));

    const answers = await Promise.allSettled(
      [bob, bobTablet].map((device) => answer(device, alice, sessionId(1))),
    );

    expect(answers).toMatchObject([
      { status: 'fulfilled' },
      { status: 'rejected', reason: { code: 'SESSION_TAKEN' } },
    ]);
    expect(notifier.take(alice, 'session.answered')).toHaveLength(1);
  });

  it('passes the signed bytes on as they came', async () => {
    const { service, notifier, time } = await friends();
    const offer = signAs(
      alice,
      'sessionOffer',
      offerPayload(alice, bob, sessionId(1), time.now(), { unknownField: 1 }),
    );
    const request = { sessionId: sessionId(1), to: bob.userId, expiresInMs: EXPIRY_MS };
    await service.offer(alice, { ...request, offers: [{ deviceId: bob.deviceId, offer, flight: [] }] });
    expect(notifier.take(bob, 'session.offered')[0]?.offer).toEqual(offer);
  });

  it('does not show an offer on a device that it does not name', async () => {
    const { offer, notifier } = await friends();
    await offer(alice, [bob], sessionId(1));
    expect(notifier.take(bobTablet, 'session.offered')).toEqual([]);
  });

  it('refuses an answer by a device that was offered nothing, and after the offer expired', async () => {
    const { offer, answer, time } = await friends();
    await offer(alice, [bob], sessionId(1));
    await expect(answer(bobTablet, alice, sessionId(1))).rejects.toMatchObject({ code: 'SESSION_UNKNOWN' });
    await time.advance(EXPIRY_MS + 1000);
    await expect(answer(bob, alice, sessionId(1))).rejects.toMatchObject({ code: 'SESSION_UNKNOWN' });
  });

  it('lets an early answer through without ending the race, but none to a stranger', async () => {
    const { offer, answer, notifier, signIn } = await friends();
    await offer(alice, [bob, bobTablet], sessionId(1));
    await answer(bob, alice, sessionId(1), { stage: 'early' });
    await answer(bobTablet, alice, sessionId(1));
    expect(notifier.take(alice, 'session.answered')).toHaveLength(2);

    await signIn(eve);
    await offer(eve, [bob], sessionId(2));
    await expect(answer(bob, eve, sessionId(2), { stage: 'early' })).rejects.toMatchObject({
      code: 'FORBIDDEN',
    });
  });
});

describe('RendezvousService › forgery and replay', () => {
  it.each([
    ['another device in `from`', { from: { userId: 'alice', deviceId: eve.deviceId } }, 'BAD_PROOF'],
    ['another user in `to`', { to: { userId: 'carol', deviceId: bob.deviceId } }, 'BAD_PROOF'],
    ['another session id', { sessionId: sessionId(9) }, 'BAD_PROOF'],
    ['a stale time', { issuedAt: 0 }, 'OFFER_EXPIRED'],
    ['a payload of another shape', { ice: { ufrag: '', pwd: '' } }, 'BAD_REQUEST'],
  ])('refuses an offer with %s', async (_name, over, code) => {
    const { offer, notifier } = await friends();
    await expect(offer(alice, [bob], sessionId(1), over)).rejects.toMatchObject({ code });
    expect(notifier.take(bob, 'session.offered')).toEqual([]);
  });

  it('refuses an offer signed by another key', async () => {
    const { service, time } = await friends();
    const offer = signAs(eve, 'sessionOffer', offerPayload(alice, bob, sessionId(1), time.now()));
    const offers = [{ deviceId: bob.deviceId, offer, flight: [] }];
    const request = { sessionId: sessionId(1), to: bob.userId, expiresInMs: EXPIRY_MS, offers };
    await expect(service.offer(alice, request)).rejects.toMatchObject({ code: 'BAD_PROOF' });
    const claimed = [{ ...offers[0]!, offer: { ...offer, signer: alice.publicKey } }];
    await expect(service.offer(alice, { ...request, offers: claimed })).rejects.toMatchObject({
      code: 'BAD_PROOF',
    });
  });

  it('refuses a signature made for another purpose', async () => {
    const { service, time } = await friends();
    const offer = signAs(alice, 'sessionAnswer', offerPayload(alice, bob, sessionId(1), time.now()));
    const request = { sessionId: sessionId(1), to: bob.userId, expiresInMs: EXPIRY_MS };
    const offers = [{ deviceId: bob.deviceId, offer, flight: [] }];
    await expect(service.offer(alice, { ...request, offers })).rejects.toMatchObject({ code: 'BAD_PROOF' });
  });

  it('refuses a replayed offer', async () => {
    const { offer, service } = await friends();
    await offer(alice, [bob], sessionId(1));
    await service.cancel(alice, { sessionId: sessionId(1) });
    await expect(offer(alice, [bob], sessionId(1))).rejects.toMatchObject({ code: 'OFFER_REPLAYED' });
  });

  it('lets nobody else cancel, reject, trickle into or report a session', async () => {
    const { offer, service, candidates, signIn } = await friends();
    await signIn(eve);
    await offer(alice, [bob], sessionId(1));
    const unknown = { code: 'SESSION_UNKNOWN' };
    await expect(service.cancel(eve, { sessionId: sessionId(1) })).rejects.toMatchObject(unknown);
    await expect(service.reject(eve, { sessionId: sessionId(1), reason: 'busy' })).rejects.toMatchObject(
      unknown,
    );
    await expect(candidates(eve, bob, sessionId(1))).rejects.toMatchObject(unknown);
    const report = { sessionId: sessionId(1), outcome: 'direct', setupMs: 1, upgradeMs: 1 } as const;
    await expect(service.report(eve, report)).rejects.toMatchObject(unknown);
  });

  it('bounds the offers that one device has open', async () => {
    const { offer } = await friends();
    for (let n = 0; n < LIMITS.maxOpenOffersPerDevice; n += 1) await offer(alice, [bob], sessionId(n));
    await expect(offer(alice, [bob], sessionId(200))).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
  });

  it('bounds the answered sessions that it remembers, and still takes new ones: nobody tells of their end', async () => {
    const { offer, answer, candidates } = await friends();
    const ids = Array.from({ length: LIMITS.maxAnsweredSessionsPerDevice + 2 }, () =>
      sessionIdSchema.parse(randomBytes(16).toString('base64url')),
    );

    for (const id of ids) {
      await offer(alice, [bob], id);
      await answer(bob, alice, id);
    }

    await expect(candidates(alice, bob, ids[0]!)).rejects.toMatchObject({ code: 'SESSION_UNKNOWN' });
    await candidates(alice, bob, ids.at(-1)!);
  });
});

describe('RendezvousService › candidates', () => {
  it('travel both ways between contacts, and not to a device that lost the race', async () => {
    const { offer, answer, candidates, notifier } = await friends();
    await offer(alice, [bob, bobTablet], sessionId(1));
    await candidates(bob, alice, sessionId(1));
    await answer(bobTablet, alice, sessionId(1));
    await candidates(alice, bobTablet, sessionId(1));
    await expect(candidates(alice, bob, sessionId(1))).rejects.toMatchObject({ code: 'SESSION_UNKNOWN' });
    expect(notifier.take(alice, 'session.candidates')).toHaveLength(1);
    expect(notifier.take(bobTablet, 'session.candidates')).toHaveLength(1);
  });

  it('do not reach a stranger before the callee answered', async () => {
    const { offer, answer, candidates, notifier, signIn } = await friends();
    await signIn(eve);
    await offer(eve, [bob], sessionId(1));
    await expect(candidates(bob, eve, sessionId(1))).rejects.toMatchObject({ code: 'SESSION_UNKNOWN' });
    await answer(bob, eve, sessionId(1));
    await candidates(bob, eve, sessionId(1));
    expect(notifier.take(eve, 'session.candidates')).toHaveLength(1);
  });
});

describe('RendezvousService › ends', () => {
  it('tells every device of a cancelled offer', async () => {
    const { offer, service, notifier } = await friends();
    await offer(alice, [bob, bobTablet], sessionId(1));
    await service.cancel(alice, { sessionId: sessionId(1) });
    for (const device of [bob, bobTablet]) {
      expect(notifier.take(device, 'session.ended')).toEqual([
        { sessionId: sessionId(1), reason: 'cancelled' },
      ]);
    }
  });

  it('tells a contact of a rejection and silences the other devices', async () => {
    const { offer, service, notifier } = await friends();
    await offer(alice, [bob, bobTablet], sessionId(1));
    await service.reject(bob, { sessionId: sessionId(1), reason: 'busy' });
    expect(notifier.take(alice, 'session.ended')).toEqual([{ sessionId: sessionId(1), reason: 'busy' }]);
    expect(notifier.take(bobTablet, 'session.ended')).toEqual([
      { sessionId: sessionId(1), reason: 'answered-elsewhere' },
    ]);
  });

  it('ends both ways after the answer', async () => {
    const { offer, answer, service, notifier } = await friends();
    await offer(alice, [bob], sessionId(1));
    await answer(bob, alice, sessionId(1));
    await service.cancel(bob, { sessionId: sessionId(1) });
    expect(notifier.take(alice, 'session.ended')).toEqual([{ sessionId: sessionId(1), reason: 'cancelled' }]);
  });

  it('takes the offers of a device back that is gone', async () => {
    const { offer, service, notifier } = await friends();
    await offer(alice, [bob], sessionId(1));
    await service.deviceGone(alice);
    expect(notifier.take(bob, 'session.ended')).toEqual([{ sessionId: sessionId(1), reason: 'cancelled' }]);
  });

  it('records what a party reports', async () => {
    const { offer, answer, service, reports } = await friends();
    await offer(alice, [bob], sessionId(1));
    await answer(bob, alice, sessionId(1));
    const report = { sessionId: sessionId(1), outcome: 'direct', setupMs: 40, upgradeMs: 80 } as const;
    await service.report(alice, report);
    expect(reports).toEqual([report]);
  });
});

describe('RendezvousService › nobody learns by calling who is there', () => {
  type World = Awaited<ReturnType<typeof friends>>;

  /** Everything the caller can observe from offering until well after the offer expired, with the time of each thing. */
  async function observe(world: World, caller: SigningCaller): Promise<unknown[]> {
    const { time, notifier, offer } = world;
    const start = time.now();
    const seen: unknown[] = [];
    const outcome = offer(caller, [bob], sessionId(1)).then(
      () => seen.push(['taken', time.now() - start]),
      (error: unknown) => seen.push([(error as { code: string }).code, time.now() - start]),
    );
    await time.advance(0);
    for (let elapsed = 0; elapsed < EXPIRY_MS + 2000; elapsed += 250) {
      await time.advance(250);
      for (const { reason } of notifier.take(caller, 'session.ended'))
        seen.push([reason, time.now() - start]);
    }
    await outcome;
    return seen;
  }

  const strangers: Record<string, (world: World) => Promise<void> | void> = {
    'who is online and does not answer': () => undefined,
    'who rejects': ({ service, notifier }) => {
      const pass = notifier.notifyDevice.bind(notifier);
      notifier.notifyDevice = (device, event, payload) => {
        if (event === 'session.offered')
          void service.reject(bob, { sessionId: sessionId(1), reason: 'rejected' });
        pass(device, event, payload);
      };
    },
    'who is offline': ({ notifier }) => notifier.forget(bob),
    'who hides': async ({ presence }) => {
      await presence.set(bob, { state: 'invisible' });
    },
    'who blocked the caller': ({ contacts }) =>
      contacts.setSide(bob.tenant, bob.userId, eve.userId, 'blocked'),
  };

  it.each(Object.keys(strangers))('tells a stranger nothing about somebody %s', async (name) => {
    const world = await friends();
    await world.signIn(eve);
    await strangers[name]!(world);
    const seen = await observe(world, eve);
    expect(seen).toEqual([
      ['taken', 0],
      ['unavailable', EXPIRY_MS],
    ]);
  });

  const contacts: Record<string, (world: World) => Promise<void> | void> = {
    offline: ({ notifier }) => notifier.forget(bob),
    hiding: async ({ presence }) => {
      await presence.set(bob, { state: 'invisible' });
    },
    blocking: ({ contacts: book }) => book.setSide(bob.tenant, bob.userId, alice.userId, 'blocked'),
  };

  it.each(Object.keys(contacts))('gives a contact one code after one delay for somebody %s', async (name) => {
    const world = await friends();
    await contacts[name]!(world);
    expect(await observe(world, alice)).toEqual([['PEER_UNAVAILABLE', LIMITS.unavailablePaddingMs]]);
    expect(world.notifier.take(bob, 'session.offered')).toEqual([]);
  });
});
