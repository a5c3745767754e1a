import { z } from 'zod';
import { bytesSchema, deviceIdSchema, sessionIdSchema, userIdSchema } from '../ids.ts';
import { LIMITS } from '../limits.ts';
import { callDescriptionSchema } from '../signed/call.ts';
import { signedSchema } from '../signed/signed.ts';
import { observedAddressesSchema, relayPairSchema } from './flow.ts';

const partySchema = z.object({ userId: userIdSchema, deviceId: deviceIdSchema });

/** QUIC handshake packets, bound to the signed half by its `flightHash`. */
export const flightSchema = z.array(bytesSchema(LIMITS.maxFlightPacketBytes, 1)).max(LIMITS.maxFlightPackets);

/** One offer per device of the callee. The acknowledgement says only that the offers were taken. */
export const sessionOffer = {
  request: z.object({
    sessionId: sessionIdSchema,
    to: userIdSchema,
    expiresInMs: z.number().int().min(1000).max(LIMITS.maxOfferLifetimeMs),
    /** Makes it a call. The signed offers must say the same. */
    call: callDescriptionSchema.optional(),
    offers: z
      .array(z.object({ deviceId: deviceIdSchema, offer: signedSchema, flight: flightSchema }))
      .min(1)
      .max(LIMITS.maxDevicesPerUser),
  }),
  response: z.object({}),
};

export const sessionOfferedSchema = z.object({
  sessionId: sessionIdSchema,
  from: partySchema,
  /** Whether the caller is an approved contact of the callee, by the supernode's book. */
  contact: z.boolean(),
  expiresInMs: z.number().int().positive(),
  /** There when the offer is a call; trust the one inside the signed offer. */
  call: callDescriptionSchema.optional(),
  offer: signedSchema,
  flight: flightSchema,
  /** Of the caller, where the two are contacts and the caller does not hide behind a relay. */
  observedAddresses: observedAddressesSchema.optional(),
  /** To be used once the answer was taken; not there where one of the two has no registered flow. */
  relay: relayPairSchema.optional(),
});

export const sessionAnswer = {
  request: z.object({ sessionId: sessionIdSchema, answer: signedSchema, flight: flightSchema }),
  response: z.object({}),
};
export const sessionAnsweredSchema = z.object({
  sessionId: sessionIdSchema,
  from: partySchema,
  answer: signedSchema,
  flight: flightSchema,
  /** Of the device that answered; only with an accepted answer. */
  observedAddresses: observedAddressesSchema.optional(),
  relay: relayPairSchema.optional(),
});

export const sessionCandidates = {
  request: z.object({ sessionId: sessionIdSchema, to: deviceIdSchema, candidates: signedSchema }),
  response: z.object({}),
};
export const sessionCandidatesEventSchema = z.object({
  sessionId: sessionIdSchema,
  from: partySchema,
  candidates: signedSchema,
  /** Of the sender now: it may be in another network than when it offered or answered. */
  observedAddresses: observedAddressesSchema.optional(),
});

/** Why an offer or a brokered session ended, as the other side is told. */
export const SESSION_END_REASONS = [
  'cancelled',
  'rejected',
  'busy',
  'answered-elsewhere',
  'unavailable',
  'expired',
  'hung-up',
  'lost',
  'failed',
] as const;

/** The caller takes its offers back. */
export const sessionCancel = {
  request: z.object({
    sessionId: sessionIdSchema,
    /** The peer's call that goes on instead, when both called each other at once: the taken-back one leaves no record. */
    yieldsTo: sessionIdSchema.optional(),
  }),
  response: z.object({}),
};
/** One device of the callee declines: for all of them, but a busy one only for itself while others can answer a call. */
export const sessionReject = {
  request: z.object({ sessionId: sessionIdSchema, reason: z.enum(['rejected', 'busy']) }),
  response: z.object({}),
};
export const sessionEndedSchema = z.object({
  sessionId: sessionIdSchema,
  reason: z.enum(SESSION_END_REASONS),
});

/** What became of it, for operators: no addresses. */
export const sessionReport = {
  request: z.object({
    sessionId: sessionIdSchema,
    outcome: z.enum(['direct', 'relayed', 'failed']),
    setupMs: z.number().int().nonnegative().max(600_000),
    upgradeMs: z.number().int().nonnegative().max(600_000).nullable(),
  }),
  response: z.object({}),
};
