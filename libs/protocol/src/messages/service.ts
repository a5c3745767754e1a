import { z } from 'zod';
import { alternatesSchema } from '../ids.ts';
import { signedHomesSchema } from '../signed/homes.ts';

/**
 * The supernode asks the client to move: reconnect to an alternate, at a random time within the window. After `revoked`
 * and `replaced` (the same device signed in on another connection) it closes the connection, and the client stays away.
 */
export const goAwaySchema = z.object({
  reason: z.enum(['draining', 'overloaded', 'redirect', 'revoked', 'replaced']),
  alternates: alternatesSchema,
  retryAfterMs: z.number().int().nonnegative(),
  windowMs: z.number().int().nonnegative(),
});

/** The homes of the signed-in user changed: what is kept from the welcome is out of date. */
export const homesChangedSchema = z.object({ homes: signedHomesSchema });

/** Signs the device off; its presence ends at once, without the grace time of a lost connection. */
export const signOff = { request: z.object({}), response: z.object({}) };
