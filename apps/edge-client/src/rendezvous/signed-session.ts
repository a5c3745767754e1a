/**
 * The signed halves of a session (DESIGN 6.4): made once, and checked over the very bytes that arrived. Pure: who the
 * parties are and what time it is come in.
 */
import {
  decodeBase64url,
  decodePayload,
  encodeBase64url,
  LIMITS,
  sessionAnswerSchema,
  sessionCandidatesSchema,
  sessionOfferSchema,
  type DeviceId,
  type SessionAnswer,
  type SessionCandidates,
  type SessionId,
  type SessionOffer,
  type Signed,
  type SigningContext,
  type UserId,
} from '@parley/protocol';
import type { z } from 'zod';
import { isSignatureValid, payloadHash } from '../identity/signing.ts';
import { flightHash } from '../session/session-handshake.ts';

/** One device of one user. */
export interface Party {
  readonly userId: UserId;
  readonly deviceId: DeviceId;
}

/** A party whose key was taken from its user's verified device list. */
export interface VerifiedParty extends Party {
  /** Base64url of the raw Ed25519 public key. */
  readonly key: string;
}

/** What a message must fit to be believed. */
export interface Expectation {
  readonly sessionId: SessionId;
  readonly from: VerifiedParty;
  readonly to: Party;
  /** Milliseconds since the epoch by the supernode's clock: clients' clocks differ, its clock is the common one. */
  readonly now: number;
}

export type SessionDropReason =
  | 'bad-signature'
  | 'wrong-signer'
  | 'malformed'
  | 'other-parties'
  | 'too-old'
  | 'other-offer'
  | 'other-flight';

export type Checked<Value> =
  { readonly ok: true; readonly value: Value } | { readonly ok: false; readonly reason: SessionDropReason };

export function checkOffer(
  signed: Signed,
  flight: readonly string[],
  expected: Expectation,
): Checked<SessionOffer> {
  const offer = check('sessionOffer', sessionOfferSchema, signed, expected);
  if (!offer.ok) return offer;
  if (expected.now > offer.value.issuedAt + offer.value.expiresInMs) return dropped('too-old');
  return isFlight(offer.value.flightHash, flight) ? offer : dropped('other-flight');
}

export function checkAnswer(
  signed: Signed,
  flight: readonly string[],
  expected: Expectation & { readonly offer: Signed },
): Checked<SessionAnswer> {
  const answer = check('sessionAnswer', sessionAnswerSchema, signed, expected);
  if (!answer.ok) return answer;
  if (answer.value.offerHash !== payloadHash(expected.offer)) return dropped('other-offer');
  return isFlight(answer.value.flightHash, flight) ? answer : dropped('other-flight');
}

export function checkCandidates(signed: Signed, expected: Expectation): Checked<SessionCandidates> {
  return check('sessionCandidates', sessionCandidatesSchema, signed, expected);
}

/** The `flightHash` of packets as they travel. */
export function wireFlightHash(packets: readonly Uint8Array[]): string {
  return encodeBase64url(flightHash(packets));
}

interface AnyHalf {
  readonly sessionId: SessionId;
  readonly from: Party;
  readonly to: Party;
  readonly issuedAt: number;
}

function check<Schema extends z.ZodType<AnyHalf>>(
  context: SigningContext,
  schema: Schema,
  signed: Signed,
  expected: Expectation,
): Checked<z.infer<Schema>> {
  if (signed.signer !== expected.from.key) return dropped('wrong-signer');
  if (!isSignatureValid(context, signed)) return dropped('bad-signature');
  const value = decodePayload(schema, signed);
  if (!value) return dropped('malformed');
  const isOurs =
    value.sessionId === expected.sessionId &&
    isSameParty(value.from, expected.from) &&
    isSameParty(value.to, expected.to);
  if (!isOurs) return dropped('other-parties');
  // Both ways: a message from the future could be replayed until its time comes.
  if (Math.abs(expected.now - value.issuedAt) > LIMITS.replayWindowMs) return dropped('too-old');
  return { ok: true, value };
}

function isSameParty(a: Party, b: Party): boolean {
  return a.userId === b.userId && a.deviceId === b.deviceId;
}

function isFlight(hash: string, flight: readonly string[]): boolean {
  const packets = flight.map(decodeBase64url);
  return packets.every((packet) => packet !== undefined) && wireFlightHash(packets) === hash;
}

function dropped(reason: SessionDropReason): { readonly ok: false; readonly reason: SessionDropReason } {
  return { ok: false, reason };
}
