import { z } from 'zod';
import { deviceIdSchema, timeSchema, userIdSchema } from '../ids.ts';
import { LIMITS } from '../limits.ts';

/** What a device may claim of itself. */
export const SETTABLE_PRESENCE = ['online', 'away', 'busy', 'invisible'] as const;
/** What others may see; `invisible` reads as `offline` to everybody but the user's own devices. */
export const PRESENCE_STATES = ['online', 'away', 'busy', 'invisible', 'offline'] as const;
export type PresenceState = (typeof PRESENCE_STATES)[number];

const statusTextSchema = z.string().max(LIMITS.maxStatusTextLength);

/** One user as one watcher may see them. `devices` is filled for the user's own devices only. */
export const presenceSchema = z.object({
  userId: userIdSchema,
  state: z.enum(PRESENCE_STATES),
  statusText: statusTextSchema.nullable(),
  lastSeen: timeSchema.nullable(),
  devices: z
    .array(z.object({ deviceId: deviceIdSchema, state: z.enum(PRESENCE_STATES), asOf: timeSchema }))
    .max(LIMITS.maxDevicesPerUser),
  /** Orders updates of one user: by epoch, then by counter. */
  version: z.object({ epoch: z.number().int().nonnegative(), counter: z.number().int().nonnegative() }),
  asOf: timeSchema,
});
export type Presence = z.infer<typeof presenceSchema>;

/** Sets the presence of this device; with `expiresInMs` it falls back to `online` by itself. */
export const presenceSet = {
  request: z.object({
    state: z.enum(SETTABLE_PRESENCE),
    statusText: statusTextSchema.optional(),
    expiresInMs: z
      .number()
      .int()
      .min(1000)
      .max(7 * 24 * 3600_000)
      .optional(),
  }),
  response: presenceSchema,
};

const usersSchema = z.object({
  userIds: z.array(userIdSchema).min(1).max(LIMITS.maxSubscriptionsPerRequest),
});

/** Watches users; each counts as offline for as long as the caller is not entitled to see more. */
export const presenceSubscribe = {
  request: usersSchema,
  response: z.object({ presence: z.array(presenceSchema).max(LIMITS.maxSubscriptionsPerRequest) }),
};
export const presenceUnsubscribe = { request: usersSchema, response: z.object({}) };
