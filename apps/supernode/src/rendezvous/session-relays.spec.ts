import { settled } from '../clock/testing/manual-time.ts';
import { rendezvousWorld } from './testing/rendezvous-world.ts';
import { sessionId, signingCaller } from './testing/signed-halves.ts';

const alice = signingCaller('alice');
const bob = signingCaller('bob');
const bobTablet = signingCaller('bob');
const ID = sessionId(1);

async function world({ areContacts = true } = {}) {
  const rendezvous = rendezvousWorld();
  const { contacts, flows, signIn } = rendezvous;
  if (areContacts) contacts.befriend(alice.tenant, alice.userId, bob.userId);
  for (const device of [alice, bob, bobTablet]) await signIn(device);
  flows.addresses.set(alice.deviceId, ['203.0.113.1']).set(bob.deviceId, ['203.0.113.2', '2001:db8::2']);
  return rendezvous;
}

const networkOf = (
  event: { observedAddresses?: string[] | undefined; relay?: object | undefined } | undefined,
) => ({
  observed: event?.observedAddresses,
  relay: event?.relay !== undefined,
});

describe('the network of a session', () => {
  it('is told to both contacts: to the callee with the offer, to the caller with the accepted answer', async () => {
    const { offer, answer, notifier, flows } = await world();
    await offer(alice, [bob, bobTablet], ID);
    const [shown] = notifier.take(bob, 'session.offered');
    expect(networkOf(shown)).toEqual({ observed: ['203.0.113.1'], relay: true });
    // A device without a flow has nothing to be relayed by.
    expect(networkOf(notifier.take(bobTablet, 'session.offered')[0])).toEqual({
      observed: ['203.0.113.1'],
      relay: false,
    });
    expect(flows.log).toEqual([]);

    await answer(bob, alice, ID);
    const [answered] = notifier.take(alice, 'session.answered');
    expect(networkOf(answered)).toEqual({ observed: ['203.0.113.2', '2001:db8::2'], relay: true });
    expect(answered?.relay).toEqual(shown?.relay);
    expect(flows.log).toEqual([`open ${answered!.relay!.id} ${alice.deviceId} ${bob.deviceId}`]);
  });

  it('is not told by an early answer', async () => {
    const { offer, answer, notifier, flows } = await world();
    await offer(alice, [bob], ID);
    await answer(bob, alice, ID, { stage: 'early' });

    expect(networkOf(notifier.take(alice, 'session.answered')[0])).toEqual({
      observed: undefined,
      relay: false,
    });
    expect(flows.log).toEqual([]);
  });

  it('of a stranger is told to nobody before the callee accepted, and comes with candidates then', async () => {
    const { offer, answer, candidates, notifier } = await world({ areContacts: false });
    await offer(alice, [bob], ID);
    expect(networkOf(notifier.take(bob, 'session.offered')[0])).toEqual({ observed: undefined, relay: true });
    await candidates(alice, bob, ID);
    expect(networkOf(notifier.take(bob, 'session.candidates')[0]).observed).toBeUndefined();

    await answer(bob, alice, ID);
    await candidates(alice, bob, ID);
    expect(networkOf(notifier.take(bob, 'session.candidates')[0]).observed).toEqual(['203.0.113.1']);
  });

  it('shows no address of either side where the caller wants to hide behind the relay', async () => {
    const { offer, answer, candidates, notifier } = await world();
    await offer(alice, [bob], ID, { policy: 'relay-only' });
    await answer(bob, alice, ID);
    await candidates(alice, bob, ID);
    await candidates(bob, alice, ID);

    expect(networkOf(notifier.take(bob, 'session.offered')[0])).toEqual({ observed: undefined, relay: true });
    expect(networkOf(notifier.take(alice, 'session.answered')[0])).toEqual({
      observed: undefined,
      relay: true,
    });
    for (const device of [alice, bob])
      expect(networkOf(notifier.take(device, 'session.candidates')[0]).observed).toBeUndefined();
  });

  it('has no relay where none may be used', async () => {
    const { offer, notifier } = await world();
    await offer(alice, [bob], ID, { policy: 'direct-only' });

    expect(networkOf(notifier.take(bob, 'session.offered')[0])).toEqual({
      observed: ['203.0.113.1'],
      relay: false,
    });
  });
});

describe('the relay of a session', () => {
  it.each([
    ['is rejected', ({ service }) => service.reject(bob, { sessionId: ID, reason: 'rejected' })],
    ['is taken back', ({ service }) => service.cancel(alice, { sessionId: ID })],
    ['loses its caller', ({ service }) => service.deviceGone(alice)],
  ] as const satisfies readonly [string, (rendezvous: Awaited<ReturnType<typeof world>>) => unknown][])(
    'is given up when the offer %s',
    async (_name, end) => {
      const rendezvous = await world();
      await rendezvous.offer(alice, [bob], ID);
      await end(rendezvous);

      expect(rendezvous.flows.log.map((line) => line.split(' ')[0])).toEqual(['close']);
    },
  );

  it('is opened for the device that answered and given up for the others', async () => {
    const { offer, answer, flows } = await world();
    flows.addresses.set(bobTablet.deviceId, ['203.0.113.3']);
    await offer(alice, [bob, bobTablet], ID);
    await answer(bobTablet, alice, ID);

    expect(flows.log.map((line) => line.split(' ')[0]).sort()).toEqual(['close', 'open']);
  });

  it('of an offer that was refused keeps no room', async () => {
    const { offer, flows } = await world();
    await offer(alice, [bob], ID);
    await expect(offer(alice, [bob], ID)).rejects.toMatchObject({ code: 'OFFER_REPLAYED' });

    expect(flows.log.map((line) => line.split(' ')[0])).toEqual(['close']);
  });

  it.each([
    ['taken back', ({ service }) => service.cancel(alice, { sessionId: ID })],
    [
      'reported ended',
      ({ service }) =>
        service.report(alice, { sessionId: ID, outcome: 'relayed', setupMs: 1, upgradeMs: null }),
    ],
  ] as const satisfies readonly [string, (rendezvous: Awaited<ReturnType<typeof world>>) => unknown][])(
    'ends when the session is %s',
    async (_name, end) => {
      const rendezvous = await world();
      await rendezvous.offer(alice, [bob], ID);
      await rendezvous.answer(bob, alice, ID);
      await end(rendezvous);

      expect(rendezvous.flows.log.map((line) => line.split(' ')[0])).toEqual(['open', 'close']);
    },
  );

  it('stays when the session is reported direct: it is the way back', async () => {
    const { offer, answer, service, flows } = await world();
    await offer(alice, [bob], ID);
    await answer(bob, alice, ID);
    await service.report(alice, { sessionId: ID, outcome: 'direct', setupMs: 1, upgradeMs: 2 });

    expect(flows.log).toHaveLength(1);
  });

  it('ends with the call', async () => {
    const { call, answer, calls, flows } = await world();
    await call(alice, [bob], ID);
    await answer(bob, alice, ID);
    await calls.end(bob, { sessionId: ID, cause: 'hung-up' });

    expect(flows.log.map((line) => line.split(' ')[0])).toEqual(['open', 'close']);
  });

  it('ends when one blocks the other', async () => {
    const { offer, answer, contactsService, flows } = await world();
    await offer(alice, [bob], ID);
    await answer(bob, alice, ID);
    await contactsService.block(bob, { userId: alice.userId });
    await settled();

    expect(flows.log.at(-1)).toBe('block bob alice');
  });
});
