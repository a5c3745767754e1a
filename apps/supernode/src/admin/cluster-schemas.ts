import { userIdSchema } from '@parley/protocol';
import { z } from 'zod';
import { NODE_ID_PATTERN } from '../cluster/node-identity.ts';
import { NODE_STATES, REACHABILITIES } from '../cluster/node-record.ts';

/** Shapes of the admin API about supernodes and their election. */
const time = z.iso.datetime().meta({ description: 'UTC, ISO 8601' });
const PIN_STATES = ['active', 'standby'] as const;

export const nodeIdSchema = z.string().regex(NODE_ID_PATTERN);

const loadSchema = z.object({
  connections: z.number(),
  cpu: z.number().meta({ description: '0 to 1: the event loop, or all processors, whichever is more' }),
  memory: z.number().meta({ description: '0 to 1' }),
  eventLoopDelayMs: z.number().meta({ description: '99th percentile' }),
  relayBytesPerSecond: z.number(),
});

export const supernodeSchema = z.object({
  nodeId: z.string(),
  state: z.enum([...NODE_STATES, 'down']).meta({ description: '`down`: it has a seat and no lease' }),
  hasSeat: z.boolean(),
  isCoordinator: z.boolean().meta({ description: 'It wrote the roster that is in force' }),
  weight: z.number().nullable().meta({ description: 'Of its seat; grows to 1 while it is fresh' }),
  slots: z.int().meta({ description: 'Of 4,096' }),
  pin: z.enum(PIN_STATES).nullable().meta({ description: 'What operators decided' }),
  lease: z
    .object({
      incarnation: z.int().meta({ description: 'Grows with every start' }),
      region: z.string(),
      version: z.string(),
      roles: z.array(z.string()).meta({ description: '`relay` alone: relays and never gets a seat' }),
      edge: z.string(),
      stun: z.string().nullable(),
      uptimeSeconds: z.number(),
      rosterEpoch: z.int().meta({ description: 'Of the roster that it follows' }),
      reachability: z.enum(REACHABILITIES).meta({ description: 'What others found from outside' }),
      verdict: z.enum(['alive', 'suspect', 'down']),
      objections: z.array(z.string()).meta({ description: 'Why it is no candidate for a seat' }),
      unreachable: z.array(z.string()).meta({ description: 'Supernodes that it cannot reach' }),
      load: loadSchema,
      capacity: z.object({
        connections: z.number(),
        relayBytesPerSecond: z.number(),
        eventLoopDelayMs: z.number(),
      }),
    })
    .nullable()
    .meta({ description: 'What it publishes of itself; null without a lease' }),
});
export type SupernodeResource = z.infer<typeof supernodeSchema>;

export const supernodesSchema = z.object({
  items: z.array(supernodeSchema),
  seenBy: z.string().meta({ description: 'The supernode that answers' }),
  asOf: time,
});

export const scoreSchema = z.object({
  nodeId: z.string(),
  score: z.number().meta({ description: '0 to 1: the sum of the terms by their weights' }),
  terms: z.record(z.string(), z.number()).meta({ description: 'Each 0 to 1, before its weight' }),
  objections: z.array(z.string()),
  asOf: time,
});

export const controlsSchema = z.object({
  isFrozen: z.boolean(),
  pins: z.record(z.string(), z.enum(PIN_STATES)),
});

export const freezeSchema = z.strictObject({ isFrozen: z.boolean() });
export const pinSchema = z.strictObject({ state: z.enum(PIN_STATES) });

export const electionQuerySchema = z.object({
  decisions: z.coerce
    .number()
    .int()
    .min(0)
    .max(200)
    .default(50)
    .meta({ description: 'How many of the newest decisions to show' }),
});

export const electionSchema = z.object({
  epoch: z.int(),
  coordinator: z.string().nullable().meta({ description: 'Who wrote the roster; null before the first' }),
  writtenAt: time.nullable(),
  active: z.array(z.string()),
  controls: controlsSchema,
  alerts: z.array(z.object({ code: z.string(), meaning: z.string(), detail: z.string() })),
  standing: z.enum(['suspended', 'acting', 'connected-only']).meta({
    description: 'What the supernode that answers may do for its slots',
  }),
  decisions: z.array(
    z.object({
      at: time,
      epoch: z.int(),
      coordinator: z.string(),
      action: z.enum(['promote', 'demote', 'weigh']),
      nodeId: z.string(),
      region: z.string(),
      reason: z.string(),
      score: z.number().nullable(),
      terms: z.record(z.string(), z.number()).nullable(),
      detail: z.string(),
      movedSlots: z.int(),
    }),
  ),
  seenBy: z.string(),
  asOf: time,
});
export type ElectionResource = z.infer<typeof electionSchema>;

export const assignmentQuerySchema = z.object({ userId: userIdSchema });

export const assignmentSchema = z.object({
  userId: z.string(),
  slot: z.int(),
  owner: z.string().nullable(),
  slotEpoch: z.int().nullable().meta({ description: 'Roster epoch since when the owner has the slot' }),
  rosterEpoch: z.int(),
  coordinator: z.string(),
  homes: z.array(z.string()).meta({ description: 'Where clients of the user go, in order' }),
  relays: z
    .array(z.string())
    .meta({ description: 'Relays at others than the one that answers, as it would offer them' }),
  ranking: z
    .array(z.object({ nodeId: z.string(), weight: z.number(), slots: z.int(), limit: z.number() }))
    .meta({ description: 'Seats by weighted rendezvous hash; one that has `limit` slots is passed over' }),
  waitsFor: z.array(z.string()).meta({
    description: 'Former owners whose word the owner awaits, where it is the supernode that answers',
  }),
  asOf: time,
});
