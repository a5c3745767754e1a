import { afterEach, describe, expect, it } from '@jest/globals';
import type { IceCredentials } from '@parley/nat';
import type { IcePath } from '@parley/nat/node';
import {
  encodeBase64url,
  type RequestOf,
  type SessionAnswer,
  type SessionId,
  type SessionOffer,
  type UserId,
} from '@parley/protocol';
import { processClock } from '../client/client-clock.ts';
import { DropCounter } from '../client/drop-counter.ts';
import { edgeError } from '../errors.ts';
import { deviceIdOf, generateKeyPair, importKeyPair } from '../identity/keys.ts';
import { signPayload } from '../identity/signing.ts';
import { CallerHandshake } from '../session/session-handshake.ts';
import { payloadOf } from '../testing/fake-supernode.ts';
import { encodeFlight } from './flight-coding.ts';
import { IncomingSession } from './incoming-session.ts';
import { wireFlightHash } from './signed-session.ts';
import type { RendezvousContext, RendezvousDropReason } from './rendezvous-context.ts';

/** The part of a path that a session's set-up uses. */
class FakePath {
  readonly told: string[] = [];
  current: { readonly kind: 'direct' } | undefined;
  readonly localCredentials: IceCredentials;

  constructor(number: number) {
    this.localCredentials = { ufrag: `path${String(number)}`, pwd: 'p'.repeat(22) };
  }

  readonly localCandidates = () => [];
  readonly onLocalCandidate = () => () => undefined;
  readonly onPortsUsedUp = () => () => undefined;
  readonly onLocalNat = () => () => undefined;
  readonly updateRemoteNetwork = () => undefined;
  readonly onData = () => () => undefined;
  readonly #listeners = new Set<(path: { readonly kind: 'direct' | 'relayed' }) => void>();
  readonly onPath = (listener: (path: { readonly kind: 'direct' | 'relayed' }) => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };
  readonly travel = (kind: 'direct' | 'relayed') => {
    for (const listener of this.#listeners) listener({ kind });
  };
  readonly onPathLost = () => () => undefined;
  readonly onFailed = () => () => undefined;
  readonly send = () => true;
  readonly setRemote = ({ ufrag }: IceCredentials) => this.told.push(`checks ${ufrag}`);
  readonly addRemoteCandidate = ({ address }: { address: { port: number } }) =>
    this.told.push(`candidate ${String(address.port)}`);
  readonly endOfCandidates = () => undefined;
  readonly close = () => this.told.push('closed');
}

const newKey = () => importKeyPair('Ed25519', generateKeyPair('Ed25519'));

/** An offer to a device whose network and supernode are lists. */
function offered(isContact: boolean) {
  const [callerKey, ownKey] = [newKey(), newKey()];
  const caller = { userId: 'alice' as UserId, deviceId: deviceIdOf(callerKey.publicKey) };
  const self = { userId: 'bob' as UserId, deviceId: deviceIdOf(ownKey.publicKey) };
  const sessionId = encodeBase64url(new Uint8Array(16)) as SessionId;
  const paths: FakePath[] = [];
  let isRefusing = false;
  const answers: RequestOf<'session.answer'>[] = [];
  const context = {
    identity: { deviceKey: ownKey, deviceId: self.deviceId, requireAccount: () => self },
    signalling: {
      isOnline: true,
      request: (name: string, payload: never) => {
        if (name === 'session.answer') answers.push(payload);
        if (isRefusing) return Promise.reject(edgeError('EDGE_CONNECTION_LOST'));
        return Promise.resolve({});
      },
    },
    clock: processClock,
    drops: new DropCounter<RendezvousDropReason>(),
    serverNow: () => Date.now(),
    endpoint: () => ({
      createPath: () => {
        const path = new FakePath(paths.length);
        paths.push(path);
        return path as unknown as IcePath;
      },
      claim: () => () => undefined,
      allocateRelay: () => undefined,
      freshNat: () => Promise.resolve(undefined),
    }),
  } as unknown as RendezvousContext;
  const handshake = new CallerHandshake({ deviceKey: callerKey.privateKey, peerKey: ownKey.publicKey });
  const half = {
    sessionId,
    from: caller,
    to: self,
    issuedAt: Date.now(),
    ice: { ufrag: 'caller', pwd: 'p'.repeat(22) },
  };
  const offer: SessionOffer = {
    ...half,
    candidates: [],
    flightHash: encodeBase64url(handshake.flight.sha256),
    expiresInMs: 30_000,
    policy: 'any',
    call: { media: ['audio'] },
  };
  const flight = encodeFlight(handshake.flight.packets);
  handshake.abandon();
  const incoming = new IncomingSession(context, {
    event: {
      sessionId,
      from: caller,
      contact: isContact,
      expiresInMs: 30_000,
      offer: signPayload('sessionOffer', offer, callerKey),
      flight,
    },
    offer,
    caller: { ...caller, key: encodeBase64url(callerKey.publicKey) },
    isContact,
    onEnd: () => undefined,
  });
  const trickle = (port: number) =>
    incoming.candidates({
      sessionId,
      from: caller,
      candidates: signPayload(
        'sessionCandidates',
        {
          ...half,
          sequence: 0,
          candidates: [
            { foundation: 'f', priority: 1, transport: 'udp', address: '192.0.2.1', port, type: 'host' },
          ],
          endOfCandidates: false,
        },
        callerKey,
      ),
    });
  const answeredUfrag = () => (payloadOf(answers[0]!.answer) as SessionAnswer).ice.ufrag;
  const refuseAnswers = () => (isRefusing = true);
  return { incoming, paths, trickle, answers, answeredUfrag, refuseAnswers, drops: context.drops };
}

describe('IncomingSession › preparing while it rings', () => {
  const open: IncomingSession[] = [];

  function ringing(isContact = true) {
    const all = offered(isContact);
    open.push(all.incoming);
    return all;
  }

  afterEach(() => {
    for (const incoming of open.splice(0)) incoming.over('client-closed');
  });

  it('sends checks to a contact, and nothing to anybody else', () => {
    const [contact, stranger] = [ringing(), ringing(false)];
    for (const { incoming } of [contact, stranger]) incoming.prepare();
    contact.incoming.prepare();

    expect(contact.paths.map(({ told }) => told)).toEqual([['checks caller']]);
    expect(stranger.paths).toEqual([]);
    expect(contact.answers).toEqual([]);
  });

  it('tells its end of the path early, as soon as there is one without the relay, and once', () => {
    const { incoming, paths, answers } = ringing();
    incoming.prepare();

    paths[0]!.travel('relayed');
    expect(answers).toEqual([]);
    paths[0]!.travel('direct');
    paths[0]!.travel('direct');

    expect(answers).toMatchObject([{ flight: [] }]);
    expect(payloadOf(answers[0]!.answer)).toMatchObject({
      stage: 'early',
      ice: { ufrag: 'path0' },
      flightHash: wireFlightHash([]),
    });
  });

  it('counts an early answer that was not taken, and rings on', async () => {
    const { incoming, paths, answers, refuseAnswers, drops } = ringing();
    refuseAnswers();
    incoming.prepare();
    paths[0]!.travel('direct');
    await new Promise((resolve) => setImmediate(resolve));

    expect(drops.snapshot()).toEqual({ 'answer-early-refused': 1 });
    expect(answers).toHaveLength(1);
    expect(paths[0]!.told).toEqual(['checks caller']);
  });

  it('goes on with the path that it found', async () => {
    const { incoming, paths, trickle, answers, answeredUfrag } = ringing();
    incoming.prepare();
    trickle(7);
    paths[0]!.current = { kind: 'direct' };

    const accepting = incoming.accept();
    await Promise.resolve();
    expect(answers).toHaveLength(1);
    incoming.over('cancelled');
    await expect(accepting).rejects.toMatchObject({ code: 'EDGE_SESSION_CANCELLED' });
    paths[0]!.travel('direct');

    expect(answeredUfrag()).toBe('path0');
    expect(answers).toHaveLength(1);
    expect(paths).toHaveLength(1);
    expect(paths[0]!.told).toEqual(['checks caller', 'candidate 7', 'closed']);
  });

  it('searches anew where it found none, with all that it was told meanwhile', async () => {
    const { incoming, paths, trickle, answeredUfrag } = ringing();
    incoming.prepare();
    trickle(7);

    const accepting = incoming.accept();
    await Promise.resolve();
    incoming.over('cancelled');
    await expect(accepting).rejects.toMatchObject({ code: 'EDGE_SESSION_CANCELLED' });

    expect(answeredUfrag()).toBe('path1');
    expect(paths.map(({ told }) => told)).toEqual([
      ['checks caller', 'candidate 7', 'closed'],
      ['checks caller', 'candidate 7', 'closed'],
    ]);
  });

  it.each(['reject', 'over'] as const)('ends its checks when nobody answers: %s', async (how) => {
    const { incoming, paths } = ringing();
    incoming.prepare();

    if (how === 'reject') await incoming.reject();
    else incoming.over('answered-elsewhere');

    expect(paths[0]!.told).toEqual(['checks caller', 'closed']);
  });
});
