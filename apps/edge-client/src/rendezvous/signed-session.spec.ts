import { describe, expect, it } from '@jest/globals';
import {
  encodeBase64url,
  LIMITS,
  type SessionAnswer,
  type SessionId,
  type SessionOffer,
  type UserId,
} from '@parley/protocol';
import { deviceIdOf, generateKeyPair, importKeyPair } from '../identity/keys.ts';
import { payloadHash, signPayload } from '../identity/signing.ts';
import { checkAnswer, checkOffer, wireFlightHash, type Expectation } from './signed-session.ts';

const newKey = () => importKeyPair('Ed25519', generateKeyPair('Ed25519'));
const callerKey = newKey();
const calleeKey = newKey();
const otherKey = newKey();
const partyOf = (name: string, key: typeof callerKey) => ({
  userId: name as UserId,
  deviceId: deviceIdOf(key.publicKey),
});
const caller = partyOf('alice', callerKey);
const callee = partyOf('bob', calleeKey);
const sessionId = encodeBase64url(new Uint8Array(16).fill(7)) as SessionId;
const packets = [new Uint8Array(1200).fill(1), new Uint8Array(300).fill(2)];
const flight = packets.map(encodeBase64url);
const NOW = 1_000_000_000;

const half = {
  sessionId,
  issuedAt: NOW,
  ice: { ufrag: 'abcd', pwd: 'a'.repeat(22) },
  candidates: [],
  flightHash: wireFlightHash(packets),
};
const offer: SessionOffer = { ...half, from: caller, to: callee, expiresInMs: 30_000, policy: 'any' };
const signedOffer = signPayload('sessionOffer', offer, callerKey);
const expectOffer: Expectation = {
  sessionId,
  from: { ...caller, key: encodeBase64url(callerKey.publicKey) },
  to: callee,
  now: NOW + 50,
};
const answer: SessionAnswer = {
  ...half,
  from: callee,
  to: caller,
  stage: 'accepted',
  offerHash: payloadHash(signedOffer),
};
const expectAnswer = {
  sessionId,
  from: { ...callee, key: encodeBase64url(calleeKey.publicKey) },
  to: caller,
  now: NOW + 50,
  offer: signedOffer,
};

describe('signed offers', () => {
  it('are taken from the device that was verified, for this device', () => {
    expect(checkOffer(signedOffer, flight, expectOffer)).toEqual({ ok: true, value: offer });
  });

  it.each<[string, () => ReturnType<typeof checkOffer>]>([
    ['wrong-signer', () => checkOffer(signPayload('sessionOffer', offer, otherKey), flight, expectOffer)],
    ['bad-signature', () => checkOffer({ ...signedOffer, signature: 'A'.repeat(86) }, flight, expectOffer)],
    ['bad-signature', () => checkOffer(signPayload('sessionAnswer', offer, callerKey), flight, expectOffer)],
    [
      'malformed',
      () =>
        checkOffer(signPayload('sessionOffer', { ...offer, policy: 'x' }, callerKey), flight, expectOffer),
    ],
    [
      'other-parties',
      () => checkOffer(signedOffer, flight, { ...expectOffer, to: partyOf('bob', otherKey) }),
    ],
    [
      'other-parties',
      () => checkOffer(signedOffer, flight, { ...expectOffer, to: { ...callee, userId: 'eve' as UserId } }),
    ],
    [
      'other-parties',
      () =>
        checkOffer(signedOffer, flight, {
          ...expectOffer,
          sessionId: encodeBase64url(new Uint8Array(16)) as SessionId,
        }),
    ],
    ['too-old', () => checkOffer(signedOffer, flight, { ...expectOffer, now: NOW + 30_001 })],
    [
      'too-old',
      () => checkOffer(signedOffer, flight, { ...expectOffer, now: NOW - LIMITS.replayWindowMs - 1 }),
    ],
    ['other-flight', () => checkOffer(signedOffer, flight.slice(1), expectOffer)],
    ['other-flight', () => checkOffer(signedOffer, ['!', ...flight], expectOffer)],
  ])('are dropped as %s', (reason, check) => {
    expect(check()).toEqual({ ok: false, reason });
  });
});

describe('signed answers', () => {
  const sign = (change: Partial<SessionAnswer>, key = calleeKey) =>
    signPayload('sessionAnswer', { ...answer, ...change }, key);

  it('are taken from the device that was called, for this very offer', () => {
    expect(checkAnswer(sign({}), flight, expectAnswer)).toEqual({ ok: true, value: answer });
  });

  it.each<[string, () => ReturnType<typeof checkAnswer>]>([
    ['wrong-signer', () => checkAnswer(sign({}, otherKey), flight, expectAnswer)],
    ['other-parties', () => checkAnswer(sign({ from: partyOf('bob', otherKey) }), flight, expectAnswer)],
    ['other-offer', () => checkAnswer(sign({ offerHash: payloadHash(sign({})) }), flight, expectAnswer)],
    ['other-flight', () => checkAnswer(sign({}), [...flight, flight[0] ?? ''], expectAnswer)],
    ['too-old', () => checkAnswer(sign({ issuedAt: NOW - LIMITS.replayWindowMs }), flight, expectAnswer)],
  ])('are dropped as %s', (reason, check) => {
    expect(check()).toEqual({ ok: false, reason });
  });
});
