import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  encodeBase64url,
  encodePayload,
  sessionIdSchema,
  type SessionId,
  type Signed,
} from '@parley/protocol';
import { answerPayload, offerPayload } from '../rendezvous/testing/signed-halves.ts';
import { EdgeHarness, type SignedInUser } from './testing/edge-harness.ts';

let edge: EdgeHarness;
let alice: SignedInUser;
let bob: SignedInUser;

beforeAll(async () => {
  edge = await EdgeHarness.start();
  [alice, bob] = [await edge.registerAndSignIn('alice'), await edge.registerAndSignIn('bob')];
  await alice.connection.request('contacts.request', { userId: bob.welcome.userId });
  await bob.connection.request('contacts.accept', { userId: alice.welcome.userId });
}, 60_000);
afterAll(() => edge.stop());

const callerOf = ({ welcome }: SignedInUser) => ({ ...welcome, linked: true });

async function call(from: SignedInUser, to: SignedInUser, byte: number): Promise<SessionId> {
  const id = sessionIdSchema.parse(encodeBase64url(new Uint8Array(16).fill(byte)));
  const description = { media: ['audio' as const] };
  const payload = offerPayload(callerOf(from), callerOf(to), id, Date.now(), { call: description });
  await from.connection.request('session.offer', {
    sessionId: id,
    to: to.welcome.userId,
    expiresInMs: 30_000,
    call: description,
    offers: [{ deviceId: to.welcome.deviceId, offer: from.device.sign('sessionOffer', payload), flight: [] }],
  });
  return id;
}

function answerOf(from: SignedInUser, to: SignedInUser, id: SessionId): Signed {
  return from.device.sign('sessionAnswer', answerPayload(callerOf(from), callerOf(to), id, Date.now()));
}

const ended = (user: SignedInUser, id: SessionId) =>
  user.connection.until(
    () =>
      user.connection.events.some(
        ({ name, payload }) => name === 'call.recorded' && recordedOutcome(payload, id) !== null,
      ),
    'the record of the ended call',
  );
function recordedOutcome(payload: unknown, id: SessionId): string | null {
  const { record } = payload as { record: { sessionId: string; outcome: string | null } };
  return record.sessionId === id ? record.outcome : null;
}

describe('calls over the gateway', () => {
  it('ring, are answered, end, and are in both histories', async () => {
    const id = await call(alice, bob, 1);
    expect((await bob.connection.event('session.offered')).payload).toMatchObject({
      sessionId: id,
      contact: true,
      call: { media: ['audio'] },
    });
    await bob.connection.request('session.ringing', { sessionId: id });
    expect((await alice.connection.event('session.ringing')).payload).toMatchObject({
      sessionId: id,
      from: { userId: bob.welcome.userId },
    });
    await bob.connection.request('session.answer', {
      sessionId: id,
      answer: answerOf(bob, alice, id),
      flight: [],
    });
    await alice.connection.event('session.answered');
    await alice.connection.request('call.end', { sessionId: id, cause: 'hung-up' });
    expect((await bob.connection.event('session.ended')).payload).toEqual({
      sessionId: id,
      reason: 'hung-up',
    });
    await Promise.all([ended(alice, id), ended(bob, id)]);

    const common = {
      sessionId: id,
      outcome: 'completed',
      answeredBy: bob.welcome.deviceId,
      media: ['audio'],
    };
    expect(await alice.connection.request('calls.history', { after: 0 })).toMatchObject({
      calls: [{ ...common, direction: 'outgoing', peer: bob.welcome.userId }],
      hasMore: false,
    });
    expect(await bob.connection.request('calls.history', { after: 0, limit: 1 })).toMatchObject({
      calls: [{ ...common, direction: 'incoming', peer: alice.welcome.userId }],
    });
    expect(await alice.connection.refusal('call.end', { sessionId: id, cause: 'lost' })).toBeUndefined();
  });

  it('are refused when they are none, and to devices that have no part in them', async () => {
    const sessionId = encodeBase64url(new Uint8Array(16).fill(9));
    expect(await alice.connection.refusal('call.end', { sessionId, cause: 'hung-up' })).toBe(
      'SESSION_UNKNOWN',
    );
    expect(await bob.connection.refusal('session.ringing', { sessionId })).toBe('SESSION_UNKNOWN');
    expect(await alice.connection.refusal('call.end', { sessionId, cause: 'bored' })).toBe('BAD_REQUEST');
    expect(await alice.connection.refusal('calls.history', { after: -1 })).toBe('BAD_REQUEST');
  });

  it('that were taken back meanwhile are not live in a replay: it says where it ends, and the end follows', async () => {
    bob.connection.close();
    const bobDevice = bob.welcome.deviceId;
    await edge.settled(() => edge.observed.includes(`unreachable ${bobDevice}`));
    // The loss was not noticed yet when the call came: the device counts as connected.
    const address = {
      tenant: bob.welcome.tenant,
      userId: bob.welcome.userId,
      deviceId: bob.welcome.deviceId,
    };
    const id = sessionIdSchema.parse(encodeBase64url(new Uint8Array(16).fill(2)));
    const offer = bob.device.sign('sessionOffer', encodePayload({}));
    const from = { userId: alice.welcome.userId, deviceId: alice.welcome.deviceId };
    const offered = { sessionId: id, from, contact: true, expiresInMs: 1000, offer, flight: [] };
    edge.channels.notifyDevice(address, 'session.offered', offered);
    edge.channels.notifyDevice(address, 'session.ended', { sessionId: id, reason: 'cancelled' });

    const connection = await edge.connect();
    const { token } = bob.welcome.resume;
    const lastSequence = Math.max(...bob.connection.events.map(({ sequence }) => sequence));
    const proof = bob.device.prove(await connection.challenge(), 'resume', {
      token,
      tenant: bob.welcome.tenant,
    });
    const reply = await connection.request('resume', { token, proof, lastSequence });
    expect(reply).toMatchObject({ recovered: true, newestSequence: lastSequence + 2 });
    await connection.event('session.ended');
    expect(connection.events.map(({ name, sequence }) => [name, sequence])).toEqual([
      ['session.offered', lastSequence + 1],
      ['session.ended', lastSequence + 2],
    ]);
  });
});
