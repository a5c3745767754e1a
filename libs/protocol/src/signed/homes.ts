import { z } from 'zod';
import { edgeUrlSchema, publicKeySchema, tenantIdSchema, timeSchema, userIdSchema } from '../ids.ts';
import { LIMITS } from '../limits.ts';
import { signedSchema } from './signed.ts';

/**
 * Where a user's devices find their home (context `homes`), signed by a roster key of the cluster. A client keeps it on disk;
 * it refuses one of another cluster or user, and one with a lower epoch than it has seen.
 */
export const homesSchema = z.object({
  clusterId: z.string().max(64),
  tenant: tenantIdSchema,
  userId: userIdSchema,
  /** The home first, then those that would follow it. */
  homes: z.array(edgeUrlSchema).min(1).max(LIMITS.maxHomes),
  /** Of the roster that this was read from: a newer list has a higher one, or the same with a later `notBefore`. */
  epoch: z.number().int().nonnegative(),
  notBefore: timeSchema,
  /** Afterwards the list is a hint, tried behind what the app itself configured. */
  notAfter: timeSchema,
  /** What a client pins from now on, newest first: keys that sign, or soon will. */
  rosterKeys: z.array(publicKeySchema).min(1).max(LIMITS.maxRosterKeys),
});

export type Homes = z.infer<typeof homesSchema>;

/**
 * One statement, signed by each roster key in use, so that a client that pinned any of them can check it. One that has pinned
 * none pins the keys of the first.
 */
export const signedHomesSchema = z.array(signedSchema).min(1).max(LIMITS.maxRosterKeys);
