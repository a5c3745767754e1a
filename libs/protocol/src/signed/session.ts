import { z } from 'zod';
import { deviceIdSchema, digestSchema, sessionIdSchema, timeSchema, userIdSchema } from '../ids.ts';
import { LIMITS } from '../limits.ts';
import { callDescriptionSchema } from './call.ts';

export const candidateSchema = z.object({
  foundation: z.string().min(1).max(32),
  priority: z.number().int().min(1).max(0x7fffffff),
  transport: z.literal('udp'),
  address: z.union([z.ipv4(), z.ipv6()]),
  port: z.number().int().min(1).max(65535),
  type: z.enum(['host', 'server-reflexive', 'peer-reflexive', 'relayed']),
});

/** An ICE candidate on the wire; each app maps it to its own type. */
export type WireCandidate = z.infer<typeof candidateSchema>;

/** RFC 8445 section 5.3: at least 24 bits of user fragment and 128 bits of password. */
export const iceCredentialsSchema = z.object({
  ufrag: z.string().regex(/^[A-Za-z0-9+/]{4,64}$/),
  pwd: z.string().regex(/^[A-Za-z0-9+/]{22,128}$/),
});

/**
 * NAT behaviour in the words of RFC 4787, as far as it was observed from one supernode; what cannot be known is `unknown`.
 * A filter that was seen to ignore ports is `address-dependent`, though it may ignore addresses too.
 */
export const natBehaviourSchema = z.object({
  mapping: z.enum([
    'unknown',
    'none',
    'endpoint-independent',
    'address-dependent',
    'address-and-port-dependent',
  ]),
  filtering: z.enum([
    'unknown',
    'none',
    'endpoint-independent',
    'address-dependent',
    'address-and-port-dependent',
  ]),
  portAllocation: z.enum(['unknown', 'preserving', 'sequential', 'random']),
  /** From one new mapping to the next, where they are sequential. */
  portStep: z.number().int().min(-64).max(64).optional(),
  /** Of the mapping that was made last, sampled just before this was signed, where they are sequential. */
  latestPort: z.number().int().min(1).max(65535).optional(),
  /** Whether one socket has different mappings towards two ports of one address. */
  dependsOnPort: z.boolean().optional(),
});

export type NatBehaviour = z.infer<typeof natBehaviourSchema>;

const partySchema = z.object({ userId: userIdSchema, deviceId: deviceIdSchema });

const sessionHalf = {
  sessionId: sessionIdSchema,
  from: partySchema,
  to: partySchema,
  issuedAt: timeSchema,
  ice: iceCredentialsSchema,
  candidates: z.array(candidateSchema).max(LIMITS.maxCandidates),
  nat: natBehaviourSchema.optional(),
  /** SHA-256 over the packets of the QUIC flight that travels beside it, each preceded by its length as 16 bits. */
  flightHash: digestSchema,
};

/** What the caller's device signs for one device of the callee (context `sessionOffer`). */
export const sessionOfferSchema = z.object({
  ...sessionHalf,
  expiresInMs: z.number().int().min(1000).max(LIMITS.maxOfferLifetimeMs),
  policy: z.enum(['any', 'direct-only', 'relay-only']),
  /** There when the session is a call; the offer beside it must say the same. */
  call: callDescriptionSchema.optional(),
});
export type SessionOffer = z.infer<typeof sessionOfferSchema>;

/**
 * What the callee's device signs (context `sessionAnswer`). An `early` answer comes before the callee accepted: it holds
 * relayed candidates only, and no check goes to the caller from anywhere but the relay.
 */
export const sessionAnswerSchema = z.object({
  ...sessionHalf,
  stage: z.enum(['early', 'accepted']),
  /** SHA-256 of the payload bytes of the offer that this answers. */
  offerHash: digestSchema,
});
export type SessionAnswer = z.infer<typeof sessionAnswerSchema>;

/** Trickled candidates (context `sessionCandidates`), signed so that no supernode can aim a device's checks. */
export const sessionCandidatesSchema = z.object({
  sessionId: sessionIdSchema,
  from: partySchema,
  to: partySchema,
  issuedAt: timeSchema,
  /** Counts from 0 per sender and session; a receiver drops what it has seen. */
  sequence: z.number().int().nonnegative(),
  /** New credentials announce an ICE restart (RFC 8445 section 9). */
  ice: iceCredentialsSchema,
  candidates: z.array(candidateSchema).max(LIMITS.maxCandidates),
  endOfCandidates: z.boolean(),
  /** There when the ports were sampled anew, or when the offer had to hide the NAT. */
  nat: natBehaviourSchema.optional(),
});
export type SessionCandidates = z.infer<typeof sessionCandidatesSchema>;
