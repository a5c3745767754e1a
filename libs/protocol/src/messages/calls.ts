import { z } from 'zod';
import { deviceIdSchema, sessionIdSchema, timeSchema, userIdSchema } from '../ids.ts';
import { LIMITS } from '../limits.ts';
import { callMediaSchema } from '../signed/call.ts';

/** A device of the callee rings. Only the caller of a call that was shown on this device is told. */
export const sessionRinging = { request: z.object({ sessionId: sessionIdSchema }), response: z.object({}) };
export const sessionRingingSchema = z.object({
  sessionId: sessionIdSchema,
  from: z.object({ userId: userIdSchema, deviceId: deviceIdSchema }),
});

/** Why one party ended an answered call: on purpose, its media died, or they never came up. */
export const CALL_END_CAUSES = ['hung-up', 'lost', 'failed'] as const;

/** Either party ends an answered call. */
export const callEnd = {
  request: z.object({ sessionId: sessionIdSchema, cause: z.enum(CALL_END_CAUSES) }),
  response: z.object({}),
};

export const CALL_OUTCOMES = ['completed', 'missed', 'rejected', 'busy', 'cancelled', 'failed'] as const;
export const CALL_DIRECTIONS = ['outgoing', 'incoming'] as const;

/**
 * One call in a user's history, the same on all devices. Times are the supernode's. `cursor` grows with every change, and
 * a call has one record: the newest replaces the older.
 */
export const callRecordSchema = z.object({
  cursor: z.number().int().positive(),
  sessionId: sessionIdSchema,
  peer: userIdSchema,
  direction: z.enum(CALL_DIRECTIONS),
  media: callMediaSchema,
  startedAt: timeSchema,
  answeredAt: timeSchema.nullable(),
  /** Null while the call goes on, and when its end was never learned. */
  endedAt: timeSchema.nullable(),
  /** Null while the call goes on. */
  outcome: z.enum(CALL_OUTCOMES).nullable(),
  /** The callee's device that answered. */
  answeredBy: deviceIdSchema.nullable(),
});

/** Records after `after`, by cursor. The newest `LIMITS.maxCallRecordsPerUser` are kept. */
export const callsHistory = {
  request: z.object({
    after: z.number().int().nonnegative(),
    limit: z.number().int().min(1).max(LIMITS.maxCallRecordsPerAnswer).optional(),
  }),
  response: z.object({
    calls: z.array(callRecordSchema).max(LIMITS.maxCallRecordsPerAnswer),
    hasMore: z.boolean(),
  }),
};

/** A new or changed record, to devices connected at that moment (sequence 0: not replayed after a resume). */
export const callRecordedSchema = z.object({ record: callRecordSchema });
