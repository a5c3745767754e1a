import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { IcePath } from '@parley/nat/node';
import { glareWinner, type ClientRequestName, type EventOf, type SessionOffer } from '@parley/protocol';
import type { EdgeClient } from '../client/edge-client.ts';
import { edgeError } from '../errors.ts';
import { signPayload } from '../identity/signing.ts';
import { ClientEndpoint } from '../rendezvous/client-endpoint.ts';
import { FakeSupernode, payloadOf } from '../testing/fake-supernode.ts';
import { deviceKeyOf, newClient, userIdOf } from '../testing/online-pair.ts';
import type { Call, IncomingCall } from './call.ts';
import { callTrio, causesOf, dropped, nextIncoming } from './testing/call-bench.ts';

describe('Calls', () => {
  let supernode: FakeSupernode;
  let alice: EdgeClient;
  let bob: EdgeClient;
  let tablet: EdgeClient;
  const others: EdgeClient[] = [];

  beforeEach(async () => {
    supernode = await FakeSupernode.start();
    ({ alice, bob, tablet } = await callTrio(supernode));
  });

  afterEach(async () => {
    await Promise.all([alice, bob, tablet, ...others.splice(0)].map((client) => client.close()));
    await supernode.stop();
  });

  async function ringing() {
    const [atBob, atTablet] = [nextIncoming(bob), nextIncoming(tablet)];
    const outgoing = alice.calls.call(userIdOf(bob));
    return { outgoing, atBob: await atBob, atTablet: await atTablet };
  }

  async function active() {
    const calls = await ringing();
    await calls.atBob.accept();
    await calls.outgoing.connected;
    return calls;
  }

  it('rings on all devices, is answered on one, and ends on both when one hangs up', async () => {
    const rang: string[] = [];
    const [atBob, atTablet] = [nextIncoming(bob), nextIncoming(tablet)];
    const outgoing = alice.calls.call(userIdOf(bob));
    outgoing.on('ringing', ({ deviceId }) => rang.push(deviceId));
    const changes = causesOf(outgoing);
    const [first, second] = await Promise.all([atBob, atTablet]);

    const talking = await first.accept();
    await outgoing.connected;
    const elsewhere = await second.ended;
    await outgoing.hangUp();

    expect(talking).toBe(first);
    expect(elsewhere).toMatchObject({ cause: 'answered-elsewhere', outcome: null });
    expect(await changes).toEqual(['ring', 'accept', 'connect', 'hang-up']);
    expect(await first.ended).toMatchObject({ cause: 'hang-up', outcome: 'completed' });
    expect(await outgoing.ended).toMatchObject({ cause: 'hang-up', outcome: 'completed' });
    expect(rang).toContain(bob.identity.deviceId);
    expect(outgoing.peer).toEqual({ userId: userIdOf(bob), deviceId: bob.identity.deviceId });
    expect(supernode.callEnds).toEqual([{ sessionId: outgoing.id, cause: 'hung-up' }]);
  });

  it('carries voice both ways and measures it', async () => {
    const { outgoing, atBob } = await active();
    const tone = Int16Array.from({ length: 16_000 }, (_, at) => Math.round(8000 * Math.sin(at / 8)));
    const heard = Promise.all([loudFrames(outgoing, 45), loudFrames(atBob, 45)]);

    await Promise.all([outgoing.playPcm(tone), atBob.playPcm(piecesOf(tone, 777))]);
    await heard;
    await atBob.hangUp();

    const end = await outgoing.ended;
    // The engine's own specs demand more by a virtual clock; here other tests share the processor.
    expect(end.voice?.mos).toBeGreaterThan(3.5);
    expect(end.durationMs).toBeGreaterThan(900);
    expect(outgoing.voice.framesPlayed).toBe(50);
  });

  it('has found its way between both ends while it rang', async () => {
    const searches = jest.spyOn(ClientEndpoint.prototype, 'createPath');
    try {
      const { outgoing, atBob } = await ringing();
      const ours = searches.mock.calls.flatMap(([{ role }], at) =>
        role === 'controlling' ? [searches.mock.results[at]!.value as IcePath] : [],
      );
      await Promise.all(ours.map(untilDirect));
      expect([outgoing.state, atBob.state]).toEqual(['ringing', 'ringing']);

      await atBob.accept();
      await outgoing.connected;

      expect(ours).toHaveLength(2);
      for (const { session } of [outgoing, atBob])
        expect(session?.pathHistory.map(({ path }) => path)).toEqual(['direct']);
    } finally {
      searches.mockRestore();
    }
  });

  it.each(['rejected', 'busy'] as const)('is declined for all devices: %s', async (reason) => {
    const { outgoing, atBob, atTablet } = await ringing();
    const cause = reason === 'busy' ? 'busy' : 'reject';

    await atBob.reject(reason);

    for (const call of [outgoing, atBob, atTablet])
      expect(await call.ended).toMatchObject({ cause, outcome: reason });
    await expect(outgoing.connected).rejects.toMatchObject({
      code: reason === 'busy' ? 'EDGE_PEER_BUSY' : 'EDGE_PEER_REJECTED',
    });
    await expect(atBob.accept()).rejects.toMatchObject({ code: 'EDGE_CALL_OVER' });
  });

  it.each([
    ['SESSION_TAKEN', 'answered-elsewhere', 'EDGE_ANSWERED_ELSEWHERE'],
    ['SESSION_UNKNOWN', 'cancel', 'EDGE_CALL_OVER'],
  ] as const)('is over for a device that answers too late: %s', async (refusal, cause, code) => {
    const { atBob } = await ringing();
    supernode.refusals.set('session.answer', refusal);

    await expect(atBob.accept()).rejects.toMatchObject({ code });

    expect(await atBob.ended).toMatchObject({ cause });
    await expect(atBob.reject()).rejects.toMatchObject({ code: 'EDGE_CALL_OVER' });
  });

  it('ends alike on both sides when it is hung up before it is connected', async () => {
    const { outgoing, atBob } = await ringing();
    const accepting = expect(atBob.accept()).rejects.toMatchObject({ code: 'EDGE_CALL_OVER' });

    await atBob.hangUp();

    await accepting;
    for (const call of [outgoing, atBob])
      expect(await call.ended).toMatchObject({ cause: 'hang-up', outcome: 'completed' });
  });

  it('rings as soon as the supernode can be told', async () => {
    supernode.refusals.set('session.ringing', 'RATE_LIMITED');
    const atBob = nextIncoming(bob);
    const outgoing = alice.calls.call(userIdOf(bob));
    while (!supernode.requests.includes('session.ringing')) await bob.directory.lookup({ handle: 'bob' });
    supernode.refusals.clear();

    await atBob;

    expect(outgoing.state).toBe('ringing');
  });

  it('is made, answered and taken back also where the budget of the connection was just spent', async () => {
    const [atBob, atTablet] = [nextIncoming(bob), nextIncoming(tablet)];
    const refusedFirst = spendBudget('session.offer', 'session.answer');
    const answered = alice.calls.call(userIdOf(bob));
    await (await atBob).accept();
    await answered.connected;
    expect(await (await atTablet).ended).toMatchObject({ cause: 'answered-elsewhere' });
    await answered.hangUp();
    await (
      await atBob
    ).ended;

    const { outgoing, ...rings } = await ringing();
    refusedFirst.push(...spendBudget('session.cancel'));
    await outgoing.hangUp();
    expect(await rings.atTablet.ended).toMatchObject({ cause: 'cancel' });

    const again = await ringing();
    refusedFirst.push(...spendBudget('session.reject'));
    await again.atBob.reject();
    expect(await again.outgoing.ended).toMatchObject({ cause: 'reject' });
    for (const name of refusedFirst) {
      expect(supernode.requests.filter((request) => request === name).length).toBeGreaterThan(1);
    }
  });

  it('is not made any more when its caller gave up while the supernode could not take it', async () => {
    supernode.refusals.set('session.offer', 'RATE_LIMITED');
    const outgoing = alice.calls.call(userIdOf(bob));
    while (!supernode.requests.includes('session.offer')) await nextTurn();

    await outgoing.hangUp();
    supernode.refusals.clear();
    await new Promise((resolve) => setTimeout(resolve, 600)); // longer than until the next try

    expect(supernode.requests.filter((name) => name === 'session.offer')).toHaveLength(1);
  });

  it.each<[string, () => void]>([
    ['is refused', () => supernode.refusals.set('account.devices', 'RATE_LIMITED')],
    [
      'is lost with the connection',
      () =>
        supernode.lies.responses.set('account.devices', () => {
          supernode.dropConnections();
          return {};
        }),
    ],
  ])("rings also where the question for the caller's devices %s", async (_name, break_) => {
    const atBob = nextIncoming(bob);
    break_();
    // As after a minute, or after events were lost: Bob has to ask before it rings.
    const version = { userId: userIdOf(alice), version: 99 };
    supernode.push(bob.identity.deviceId, 'account.devices-changed', version);
    const before = supernode.requests.length;
    alice.calls.call({ userId: userIdOf(bob), deviceId: bob.identity.deviceId });
    while (!supernode.requests.slice(before).includes('account.devices')) await nextTurn();
    await nextTurn();
    supernode.refusals.clear();
    supernode.lies.responses.clear();

    expect((await atBob).state).toBe('ringing');
  });

  it('is missed when the caller takes it back', async () => {
    const { outgoing, atBob, atTablet } = await ringing();

    await outgoing.hangUp();

    expect(await outgoing.ended).toMatchObject({ cause: 'cancel', outcome: 'cancelled' });
    for (const call of [atBob, atTablet])
      expect(await call.ended).toMatchObject({ cause: 'cancel', outcome: 'missed', durationMs: 0 });
    expect(bob.calls.active).toEqual([]);
  });

  it('is missed when nobody answers in time', async () => {
    const [atBob, atTablet] = [nextIncoming(bob), nextIncoming(tablet)];
    const outgoing = alice.calls.call(userIdOf(bob), { ringMs: 1000 });
    const calls = await Promise.all([atBob, atTablet]);

    for (const call of calls) expect(await call.ended).toMatchObject({ cause: 'expire', outcome: 'missed' });
    supernode.push(alice.identity.deviceId, 'session.ended', { sessionId: outgoing.id, reason: 'expired' });

    expect(await outgoing.ended).toMatchObject({ cause: 'expire', outcome: 'missed' });
  });

  it('ends as unavailable when the supernode says so, and by a typed error when it cannot be asked', async () => {
    supernode.refusals.set('session.offer', 'PEER_UNAVAILABLE');
    const unavailable = alice.calls.call(userIdOf(bob));
    await expect(unavailable.connected).rejects.toMatchObject({ code: 'PEER_UNAVAILABLE' });
    expect(await unavailable.ended).toMatchObject({ cause: 'unavailable', outcome: 'missed' });

    supernode.refusals.set('session.offer', 'LIMIT_EXCEEDED');
    expect(await alice.calls.call(userIdOf(bob)).ended).toMatchObject({
      cause: 'cancel',
      error: { code: 'LIMIT_EXCEEDED' },
    });
  });

  it('is busy in a call, and free again after it', async () => {
    const { outgoing } = await active();
    const carol = await friendOf(bob);

    expect(await carol.calls.call(userIdOf(bob)).ended).toMatchObject({ cause: 'busy', outcome: 'busy' });
    bob.calls.isAutoBusy = false;
    const second = nextIncoming(bob);
    const calling = carol.calls.call(userIdOf(bob));
    expect((await second).state).toBe('ringing');
    await calling.hangUp();
    expect(outgoing.state).toBe('active');
  });

  it('never rings for a stranger, who is not told', async () => {
    const carol = await newClient(supernode, 'carol');
    others.push(carol);
    await carol.connect();
    const heard: IncomingCall[] = [];
    bob.calls.on('incoming', (call) => heard.push(call));
    const before = supernode.requests.length;

    const outgoing = carol.calls.call(userIdOf(bob));
    await dropped(bob, 'call-from-stranger');

    expect(outgoing.state).toBe('proposed');
    expect(heard).toEqual([]);
    expect(supernode.requests.slice(before)).not.toContain('session.ringing');
    expect(supernode.requests.slice(before)).not.toContain('session.reject');
  });

  it('is no call unless its caller signed that it is one', async () => {
    supernode.lies.events.set(
      'session.offered',
      ({ call: _call, ...event }: EventOf<'session.offered'>) => event,
    );
    alice.calls.call(userIdOf(bob));
    await dropped(bob, 'offer-call-mismatch');

    supernode.lies.events.set('session.offered', (event: EventOf<'session.offered'>) => ({
      ...event,
      call: { media: ['audio'] },
    }));
    alice.openSession(userIdOf(bob), { timeoutMs: 1000 }).catch(() => undefined);
    await dropped(tablet, 'offer-call-mismatch');
    expect(supernode.requests).not.toContain('session.ringing');
  });

  it('does not ring for an offer that has expired', async () => {
    const key = await deviceKeyOf(alice);
    supernode.lies.events.set('session.offered', (event: EventOf<'session.offered'>) => {
      const offer = payloadOf(event.offer) as SessionOffer;
      return {
        ...event,
        offer: signPayload('sessionOffer', { ...offer, issuedAt: offer.issuedAt - 50_000 }, key),
      };
    });
    alice.calls.call(userIdOf(bob));

    await dropped(bob, 'offer-too-old');
    expect(supernode.requests).not.toContain('session.ringing');
  });

  it('does not ring for an offer whose end came with it', async () => {
    const heard: IncomingCall[] = [];
    bob.calls.on('incoming', (call) => heard.push(call));
    supernode.lies.events.set('session.offered', (event: EventOf<'session.offered'>) => {
      queueMicrotask(() =>
        supernode.push(bob.identity.deviceId, 'session.ended', {
          sessionId: event.sessionId,
          reason: 'cancelled',
        }),
      );
      return event;
    });
    // The supernode keeps the ringing back until the end has arrived.
    supernode.refusals.set('session.ringing', 'SESSION_UNKNOWN');
    const outgoing = alice.calls.call({ userId: userIdOf(bob), deviceId: bob.identity.deviceId });

    await dropped(bob, 'offer-ended', 'over-before-ringing');
    expect([heard, bob.calls.active]).toEqual([[], []]);
    expect(outgoing.state).toBe('proposed');
  });

  it('rings after a resume only when all that was missed has arrived', async () => {
    const heard: string[] = [];
    bob.calls.on('incoming', ({ id }) => heard.push(id));
    let offered: EventOf<'session.offered'> | undefined;
    supernode.lies.events.set('session.offered', (event: EventOf<'session.offered'>, to: string) => {
      if (to === bob.identity.deviceId) offered = event;
      return undefined;
    });
    const outgoing = alice.calls.call(userIdOf(bob));
    const held = alice.calls.call(userIdOf(bob));
    await expect(Promise.race([outgoing.ended, held.ended, offeredOnce()])).resolves.toBe('offered');
    supernode.lies.events.clear();
    // Alice's own coming and going would take numbers that this test gives out.
    supernode.lies.events.set('presence.changed', () => undefined);
    const missed = offered!;
    let newest = 0;
    supernode.lies.responses.set(
      'resume',
      (data: { deviceId: string }, request: { lastSequence: number }) => {
        if (data.deviceId !== bob.identity.deviceId) return data; // Alice comes back too
        newest = request.lastSequence + 2;
        return { ...data, newestSequence: newest };
      },
    );
    const online = new Promise<void>((resolve) => {
      bob.on('state', ({ to }) => to === 'online' && resolve());
    });
    supernode.dropConnections();
    await online;
    const { deviceId } = bob.identity;
    const before = supernode.requests.length;

    supernode.push(deviceId, 'session.offered', missed, newest - 1);
    await bob.directory.lookup({ handle: 'alice' });
    expect(supernode.requests.slice(before)).not.toContain('session.ringing');
    supernode.push(deviceId, 'session.ended', { sessionId: missed.sessionId, reason: 'cancelled' }, newest);
    await dropped(bob, 'over-before-ringing');

    expect(heard).toEqual([]);

    async function offeredOnce(): Promise<string> {
      while (!offered) await new Promise((resolve) => setTimeout(resolve, 5));
      return 'offered';
    }
  });

  it.each(['ended', 'ringing'] as const)(
    'is %s where the callee signs in anew, as the supernode knows of it',
    async (state) => {
      const { outgoing, atBob } = await ringing();
      supernode.resumeAnswer = 'refused';
      supernode.refusals.set('session.cancel', 'RATE_LIMITED');
      if (state === 'ended') supernode.refusals.set('session.ringing', 'SESSION_UNKNOWN');
      const asked = () => supernode.requests.filter((name) => name === 'session.ringing').length;
      const before = asked();
      supernode.dropConnections();

      expect(await outgoing.ended).toMatchObject({
        outcome: 'cancelled',
        error: { code: 'EDGE_CONNECTION_LOST' },
      });
      while (asked() < before + 2) await nextTurn();
      if (state === 'ended') expect(await atBob.ended).toMatchObject({ outcome: 'missed' });
      expect(atBob.state).toBe(state);
    },
  );

  it('rings after a resume that lost the newest events: they are not waited for', async () => {
    supernode.resumeAnswer = 'lost';
    supernode.lies.responses.set('resume', (data: object) => ({ ...data, newestSequence: 1000 }));
    const online = [alice, bob].map(
      (client) =>
        new Promise<void>((resolve) => {
          client.on('state', ({ to }) => to === 'online' && resolve());
        }),
    );
    supernode.dropConnections();
    await Promise.all(online);
    const atBob = nextIncoming(bob);

    alice.calls.call(userIdOf(bob));

    expect(await atBob).toMatchObject({ state: 'ringing' });
  });

  it.each(['ended', 'ringing'] as const)(
    'is %s where events were lost on the way to the callee, as the supernode knows of it',
    async (state) => {
      const { outgoing, atBob } = await ringing();
      while (outgoing.state !== 'ringing') await nextTurn();
      supernode.resumeAnswer = 'lost';
      if (state === 'ended') supernode.refusals.set('session.ringing', 'SESSION_UNKNOWN');
      const asked = () => supernode.requests.filter((name) => name === 'session.ringing').length;
      const before = asked();
      supernode.dropConnections();

      // Bob's device and his tablet: the one that is first says nothing of the other.
      while (asked() < before + 2) await nextTurn();
      if (state === 'ended') expect(await atBob.ended).toMatchObject({ outcome: 'missed' });
      else await bob.directory.lookup({ handle: 'alice' });
      expect([atBob.state, outgoing.state]).toEqual([state, 'ringing']);
    },
  );

  it('leaves a call alone that was answered when the supernode has forgotten its clients', async () => {
    const { outgoing, atBob } = await active();
    supernode.resumeAnswer = 'refused';
    const back = [alice, bob].map(
      (client) =>
        new Promise<void>((resolve) => {
          client.on('state', ({ to }) => to === 'online' && resolve());
        }),
    );
    supernode.dropConnections();
    await Promise.all(back);
    await alice.directory.lookup({ handle: 'bob' });

    expect([outgoing.state, atBob.state]).toEqual(['active', 'active']);
  });

  it('does not ring where nobody listens', async () => {
    const outgoing = alice.calls.call(userIdOf(bob));

    await dropped(bob, 'nobody-listens');

    expect(outgoing.state).toBe('proposed');
    expect(supernode.requests).not.toContain('session.ringing');
  });

  it('believes ringing only of devices that were called', async () => {
    supernode.lies.events.set('session.ringing', (event: EventOf<'session.ringing'>) => ({
      ...event,
      from: { ...event.from, userId: userIdOf(alice) },
    }));
    const atBob = nextIncoming(bob);
    const outgoing = alice.calls.call(userIdOf(bob));
    await atBob;
    await dropped(alice, 'ringing-unexpected');
    expect(outgoing.state).toBe('proposed');

    supernode.push(alice.identity.deviceId, 'session.ringing', {
      sessionId: 'AAAAAAAAAAAAAAAAAAAAAA' as typeof outgoing.id,
      from: { userId: userIdOf(bob), deviceId: bob.identity.deviceId },
    });
    await dropped(alice, 'ringing-unknown-session');
    expect(outgoing.state).toBe('proposed');
  });

  it('settles glare alike on both sides: one call, and both talk in it', async () => {
    const rang: string[] = [];
    for (const client of [alice, bob]) client.calls.on('incoming', ({ id }) => rang.push(id));
    const ours = alice.calls.call({ userId: userIdOf(bob), deviceId: bob.identity.deviceId });
    const theirs = bob.calls.call(userIdOf(alice));

    const [atAlice, atBob] = await Promise.all([ours.connected, theirs.connected]);

    const winner = glareWinner(ours.id, theirs.id);
    const [lost, won] = winner === ours.id ? [theirs, ours] : [ours, theirs];
    expect([atAlice.id, atBob.id]).toEqual([winner, winner]);
    expect([atAlice.direction, atBob.direction].sort()).toEqual(['incoming', 'outgoing']);
    expect(won.state).toBe('active');
    expect(await lost.ended).toMatchObject({ cause: 'glare-yield', outcome: null });
    expect(rang).toEqual([]);
    await lost.hangUp();
    expect(await won.ended).toMatchObject({ cause: 'hang-up' });
  });

  it('accepts when its user calls who rings here already', async () => {
    const atBob = nextIncoming(bob);
    const outgoing = alice.calls.call(userIdOf(bob));
    const incoming = await atBob;

    const back = bob.calls.call(userIdOf(alice));

    expect(await back.connected).toBe(incoming);
    expect((await outgoing.connected).state).toBe('active');
    expect(supernode.requests.filter((name) => name === 'session.offer')).toHaveLength(1);
  });

  it('ends as lost on both sides when the session dies, and tells the supernode', async () => {
    const { outgoing, atBob } = await active();

    atBob.session!.abort(edgeError('EDGE_PATH_FAILED'));

    expect(await outgoing.ended).toMatchObject({ cause: 'lost', outcome: 'completed' });
    expect(await atBob.ended).toMatchObject({ cause: 'lost', outcome: 'completed' });
    await alice.directory.lookup({ handle: 'bob' });
    await bob.directory.lookup({ handle: 'bob' });
    expect(supernode.callEnds.map(({ cause }) => cause)).toContain('lost');
  });

  it('goes on while the peer is heard, whatever the supernode thinks of it', async () => {
    const { outgoing, atBob } = await active();
    const heard = new Promise((resolve) => outgoing.recordPcm(resolve));
    void atBob.playPcm(new Int16Array(16_000).fill(1000));
    await heard;

    supernode.push(alice.identity.deviceId, 'session.ended', { sessionId: outgoing.id, reason: 'lost' });
    await dropped(alice, 'lost-though-heard');

    expect(outgoing.state).toBe('active');
  });

  it('tells how it ended when the supernode is back', async () => {
    const { outgoing, atBob } = await active();
    const online = new Promise<void>((resolve) => {
      alice.on('state', ({ to }) => to === 'online' && resolve());
    });
    supernode.dropConnections();

    await outgoing.hangUp();
    expect(await atBob.ended).toMatchObject({ cause: 'hang-up' });
    await online;
    await alice.directory.lookup({ handle: 'bob' });

    expect(supernode.callEnds).toEqual([{ sessionId: outgoing.id, cause: 'hung-up' }]);
  });

  it('fails when the voice cannot be made, and says why', async () => {
    const { outgoing, atBob } = await active();

    outgoing.voice.source = {
      read: () => {
        throw new TypeError('no microphone');
      },
    };

    expect(await outgoing.ended).toMatchObject({ cause: 'failed', error: { code: 'EDGE_VOICE_FAILED' } });
    expect((await atBob.ended).cause).toMatch(/failed|hang-up/);
  });

  it('is hung up when its client closes', async () => {
    const { outgoing, atBob } = await active();

    await bob.close();

    expect(await atBob.ended).toMatchObject({ cause: 'hang-up' });
    expect(await outgoing.ended).toMatchObject({ cause: 'hang-up' });
  });

  it('needs media that it knows', () => {
    expect(() => alice.calls.call(userIdOf(bob), { media: [] })).toThrow(
      expect.objectContaining({ code: 'EDGE_OPTIONS_INVALID' }),
    );
  });

  /** The first request of each of these is refused as over the budget. */
  function spendBudget(...names: ClientRequestName[]): ClientRequestName[] {
    for (const name of names) {
      const before = supernode.requests.filter((request) => request === name).length;
      supernode.refusals.set(name, 'RATE_LIMITED');
      void (async () => {
        while (supernode.requests.filter((request) => request === name).length === before) await nextTurn();
        supernode.refusals.delete(name);
      })();
    }
    return names;
  }

  /** A contact of `client`, online. */
  async function friendOf(client: EdgeClient): Promise<EdgeClient> {
    const carol = await newClient(supernode, 'carol');
    others.push(carol);
    await carol.connect();
    const agreed = new Promise<void>((resolve) => {
      client.contacts.on('change', ({ contact }) => contact?.state === 'accepted' && resolve());
    });
    await client.contacts.request(userIdOf(carol));
    await carol.contacts.accept(userIdOf(client));
    await agreed;
    return carol;
  }
});

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 5));
}

/** Resolves when so many frames that the other end played were heard. */
function loudFrames(call: Call, count: number): Promise<void> {
  let missing = count;
  return new Promise((resolve) => {
    call.recordPcm((pcm) => {
      if (pcm.some((sample) => Math.abs(sample) > 4000)) missing -= 1;
      if (missing === 0) resolve();
    });
  });
}

async function* piecesOf(pcm: Int16Array, length: number): AsyncIterable<Int16Array> {
  for (let at = 0; at < pcm.length; at += length) {
    await Promise.resolve();
    yield pcm.subarray(at, at + length);
  }
}

function untilDirect(path: IcePath): Promise<void> {
  return new Promise((resolve) => {
    if (path.current?.kind === 'direct') resolve();
    path.onPath(({ kind }) => {
      if (kind === 'direct') resolve();
    });
  });
}
