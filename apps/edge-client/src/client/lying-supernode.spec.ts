import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  decodeBase64url,
  encodeBase64url,
  type EventOf,
  type RequestOf,
  type SessionAnswer,
  type SessionCandidates,
  type SessionId,
  type SessionOffer,
  type Signed,
  type UserId,
} from '@parley/protocol';
import type { EdgeClientError } from '../errors.ts';
import { deviceIdOf, generateKeyPair, importKeyPair, type KeyPair } from '../identity/keys.ts';
import { payloadHash, signPayload } from '../identity/signing.ts';
import type { Session } from '../session/session.ts';
import { CalleeHandshake } from '../session/session-handshake.ts';
import { FakeSupernode, payloadOf } from '../testing/fake-supernode.ts';
import { deviceKeyOf, newClient, onlinePair, userIdOf } from '../testing/online-pair.ts';
import type { EdgeClient } from './edge-client.ts';

const newKey = () => importKeyPair('Ed25519', generateKeyPair('Ed25519'));

type Offered = EventOf<'session.offered'>;
type Answered = EventOf<'session.answered'>;

describe('EdgeClient and a supernode or a peer that lies', () => {
  let supernode: FakeSupernode;
  let alice: EdgeClient;
  let bob: EdgeClient;
  const others: EdgeClient[] = [];

  beforeEach(async () => {
    supernode = await FakeSupernode.start();
    ({ alice, bob } = await onlinePair(supernode));
  });

  afterEach(async () => {
    await Promise.all([alice, bob, ...others.splice(0)].map((client) => client.close()));
    await supernode.stop();
  });

  const listsOf = (userId: UserId): Signed[] => supernode.users.get(userId)?.lists ?? [];

  /** A device that the supernode made up and signs for with a key of its own. */
  function addGhost(userId: UserId): KeyPair {
    const ghost = newKey();
    const lists = listsOf(userId);
    const last = lists.at(-1)!;
    const list = payloadOf(last) as { version: number; devices: object[] };
    const entry = {
      key: encodeBase64url(ghost.publicKey),
      agreementKey: encodeBase64url(newKey().publicKey),
      name: 'ghost',
      addedAt: 1,
    };
    const next = {
      ...list,
      version: list.version + 1,
      previous: payloadHash(last),
      devices: [...list.devices, entry],
    };
    lists.push(signPayload('deviceList', next, ghost));
    return ghost;
  }

  function alertOf(client: EdgeClient): Promise<{ userId: UserId; error: EdgeClientError }> {
    return new Promise((resolve) => client.on('security-alert', resolve));
  }

  it('a ghost device of a contact is refused, and the app is told', async () => {
    const alert = alertOf(alice);
    addGhost(userIdOf(bob));

    await expect(alice.devices(userIdOf(bob))).rejects.toMatchObject({ code: 'EDGE_GHOST_DEVICE' });

    expect(await alert).toMatchObject({ userId: userIdOf(bob), error: { code: 'EDGE_GHOST_DEVICE' } });
  });

  it('a ghost device in our own list keeps us offline', async () => {
    const carol = await newClient(supernode, 'carol');
    others.push(carol);
    addGhost(userIdOf(carol));

    await expect(carol.connect()).rejects.toMatchObject({ code: 'EDGE_GHOST_DEVICE' });

    expect(carol.state).toBe('disconnected');
  });

  it('a call to a device that is not in the verified list is refused before anything is sent', async () => {
    const ghost = deviceIdOf(newKey().publicKey);

    await expect(alice.openSession({ userId: userIdOf(bob), deviceId: ghost })).rejects.toMatchObject({
      code: 'EDGE_GHOST_DEVICE',
    });

    expect(supernode.requests).not.toContain('session.offer');
  });

  it('an older device list than the one seen is refused', async () => {
    await alice.devices(userIdOf(bob));
    supernode.lies.responses.set('account.devices', () => ({
      lists: listsOf(userIdOf(bob)).slice(0, 1),
      complete: true,
    }));

    await expect(alice.devices(userIdOf(bob))).rejects.toMatchObject({ code: 'EDGE_DEVICE_LIST_ROLLBACK' });
  });

  it('our own device list going back keeps us offline', async () => {
    supernode.lies.responses.set('authenticate', (data: object) => ({ ...data, deviceListVersion: 0 }));
    const carol = await newClient(supernode, 'carol');
    others.push(carol);

    await expect(carol.connect()).rejects.toMatchObject({ code: 'EDGE_DEVICE_LIST_ROLLBACK' });
  });

  it('an answer by another device than the one that was called is refused', async () => {
    const impostor = deviceIdOf(newKey().publicKey);
    supernode.lies.events.set('session.answered', (event: Answered) => ({
      ...event,
      from: { ...event.from, deviceId: impostor },
    }));

    await expect(alice.openSession(userIdOf(bob))).rejects.toMatchObject({ code: 'EDGE_GHOST_DEVICE' });
  });

  it('an answer that is signed by another key is refused', async () => {
    const stranger = newKey();
    supernode.lies.events.set('session.answered', (event: Answered) => ({
      ...event,
      answer: signPayload('sessionAnswer', payloadOf(event.answer), stranger),
    }));

    await expect(alice.openSession(userIdOf(bob))).rejects.toMatchObject({ code: 'EDGE_ANSWER_INVALID' });
  });

  it('an answer with the handshake of somebody else is refused', async () => {
    supernode.lies.events.set('session.answered', (event: Answered) => ({
      ...event,
      flight: event.flight.map(bent),
    }));

    await expect(alice.openSession(userIdOf(bob))).rejects.toMatchObject({ code: 'EDGE_ANSWER_INVALID' });
  });

  it('a peer whose handshake does not hold the key that it signs with is refused', async () => {
    // Bob signs the answer with his listed key, but shakes hands with another one.
    const [aliceKey, bobKey] = await Promise.all([deviceKeyOf(alice), deviceKeyOf(bob)]);
    const another = newKey();
    let offered: Offered | undefined;
    supernode.lies.events.set('session.offered', (event: Offered) => {
      offered = event;
      return event;
    });
    supernode.lies.events.set('session.answered', (event: Answered) => {
      const { offer, flight } = offered!;
      const handshake = new CalleeHandshake(
        { deviceKey: another.privateKey, peerKey: aliceKey.publicKey },
        flight.map((packet) => decodeBase64url(packet)!),
      );
      const honest = payloadOf(event.answer) as SessionAnswer;
      const answer = {
        ...honest,
        flightHash: encodeBase64url(handshake.flight.sha256),
        offerHash: payloadHash(offer),
      };
      handshake.abandon();
      return {
        ...event,
        answer: signPayload('sessionAnswer', answer, bobKey),
        flight: handshake.flight.packets.map(encodeBase64url),
      };
    });

    await expect(alice.openSession(userIdOf(bob))).rejects.toMatchObject({ code: 'EDGE_PEER_KEY_MISMATCH' });
  });

  it('an offer is taken once, however often it arrives', async () => {
    let sessions = 0;
    const taken = new Promise<void>((resolve) => {
      bob.on('session', () => {
        sessions += 1;
        resolve();
      });
    });
    let offered: Offered | undefined;
    supernode.lies.events.set('session.offered', (event: Offered) => (offered = event));
    const session = await alice.openSession(userIdOf(bob));
    await taken;

    supernode.push(bob.identity.deviceId, 'session.offered', offered!);
    const dropped = dropOf(bob, 'offer-replayed');

    expect(await dropped).toBe(1);
    expect(sessions).toBe(1);
    await session.close();
  });

  it.each<[string, (event: Offered, stranger: KeyPair) => Offered]>([
    [
      'offer-wrong-signer',
      (event, stranger) => ({
        ...event,
        offer: signPayload('sessionOffer', payloadOf(event.offer), stranger),
      }),
    ],
    ['offer-other-flight', (event) => ({ ...event, flight: event.flight.map(bent) })],
    [
      'offer-unknown-device',
      (event, stranger) => ({ ...event, from: { ...event.from, deviceId: deviceIdOf(stranger.publicKey) } }),
    ],
  ])('a forged offer is a counted drop: %s', async (reason, forge) => {
    supernode.lies.events.set('session.offered', (event: Offered) => forge(event, newKey()));

    const hangUp = new AbortController();
    const opening = alice.openSession(userIdOf(bob), { signal: hangUp.signal });
    opening.catch(() => undefined);

    expect(await dropOf(bob, reason)).toBe(1);
    hangUp.abort();
    // Nobody has answered by then.
    await expect(opening).rejects.toMatchObject({ code: 'EDGE_ABORTED' });
  });

  it('addresses of a victim that the supernode puts into an offer or candidates get not one datagram', async () => {
    const victim = createSocket('udp4');
    victim.unref().bind(0, '127.0.0.1');
    await once(victim, 'listening');
    let datagrams = 0;
    victim.on('message', () => (datagrams += 1));
    const { address, port } = victim.address();
    const candidate = { kind: 'host', address, port, priority: 2_130_706_431, foundation: 'victim' };
    const forger = newKey();
    /** Signed by somebody else, and as it was signed but with other bytes. */
    const forged = (kind: 'sessionOffer' | 'sessionCandidates', signed: Signed): Signed[] => {
      const payload = { ...(payloadOf(signed) as SessionOffer), candidates: [candidate] };
      const resigned = signPayload(kind, payload, forger);
      return [resigned, { ...resigned, signature: signed.signature }];
    };
    const opened = new Promise<Session>((resolve) => bob.on('session', ({ session }) => resolve(session)));
    supernode.lies.events.set('session.offered', (event: Offered) => {
      for (const offer of forged('sessionOffer', event.offer))
        supernode.pushRaw(bob.identity.deviceId, 'session.offered', { ...event, offer }, { sequence: 0 });
      return event;
    });
    let told: { sessionId: SessionId; offer: Signed } | undefined;
    supernode.lies.responses.set('session.offer', (data, request: RequestOf<'session.offer'>) => {
      told = { sessionId: request.sessionId, offer: request.offers[0]!.offer };
      return data;
    });

    const session = await alice.openSession(userIdOf(bob));
    await opened;
    const { offer, sessionId } = told!;
    const half = payloadOf(offer) as SessionOffer;
    const candidates: SessionCandidates = {
      sessionId,
      from: half.from,
      to: half.to,
      issuedAt: half.issuedAt,
      sequence: 1_000,
      ice: half.ice,
      candidates: [],
      endOfCandidates: false,
    };
    for (const lie of forged('sessionCandidates', signPayload('sessionCandidates', candidates, newKey())))
      supernode.push(bob.identity.deviceId, 'session.candidates', { sessionId, from: half.from, candidates: lie }); // prettier-ignore
    await dropOf(bob, 'candidates-wrong-signer');
    const answered = once(victim, 'message');
    const late = delay(500, 'nothing'); // several times what a check waits for its turn

    expect(await Promise.race([answered, late])).toBe('nothing');
    expect(datagrams).toBe(0);
    expect(session.path).toBe('direct');
    victim.close();
  });

  it('events that the protocol does not know, or that are malformed, are counted drops', async () => {
    const deviceId = bob.identity.deviceId;
    supernode.pushRaw(deviceId, 'root.me', {}, { sequence: 0 });
    supernode.pushRaw(deviceId, 'presence.changed', { userId: 7 }, { sequence: 0 });
    supernode.pushRaw(deviceId, 'presence.changed');
    supernode.pushRaw(deviceId, 'contacts.changed', { userId: 'x', contact: null }, { sequence: -1 });

    await bob.directory.lookup({ handle: 'alice' });

    expect(bob.drops().signalling).toEqual({ 'unknown-event': 1, 'malformed-event': 3 });
    expect(bob.state).toBe('online');
  });

  it('an answer that does not fit the protocol is a typed error', async () => {
    supernode.lies.responses.set('directory.lookup', () => ({ entry: 'nobody' }));

    await expect(alice.directory.lookup({ handle: 'bob' })).rejects.toMatchObject({
      code: 'EDGE_PROTOCOL_VIOLATION',
    });
  });

  it('a supernode of another cluster learns no token', async () => {
    supernode.resumeAnswer = 'refused';
    supernode.clusterId = 'another-cluster';
    const offline = new Promise<EdgeClientError | undefined>((resolve) => {
      alice.on('state', ({ to, error }) => to === 'disconnected' && resolve(error));
    });
    const before = supernode.requests.length;
    supernode.dropConnections();

    expect(await offline).toMatchObject({ code: 'EDGE_CLUSTER_MISMATCH' });
    expect(supernode.requests.slice(before)).not.toContain('authenticate');
    expect(supernode.requests.slice(before)).not.toContain('resume');
  });
});

/** A packet with one bit changed. */
function bent(packet: string): string {
  const bytes = decodeBase64url(packet)!;
  bytes[100] = bytes[100]! ^ 1;
  return encodeBase64url(bytes);
}

/** Resolves with the count when something was dropped for this reason. */
async function dropOf(client: EdgeClient, reason: string): Promise<number> {
  for (let turn = 0; turn < 4000; turn += 1) {
    const count = (client.drops().sessions as Record<string, number>)[reason];
    if (count !== undefined) return count;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new TypeError(`Nothing was dropped as ${reason}: ${JSON.stringify(client.drops())}`);
}
