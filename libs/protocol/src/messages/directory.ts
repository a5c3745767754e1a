import { z } from 'zod';
import { deviceIdSchema, handleSchema, timeSchema, userIdSchema } from '../ids.ts';
import { LIMITS } from '../limits.ts';

export const directoryEntrySchema = z.object({
  userId: userIdSchema,
  handle: handleSchema.nullable(),
  displayName: z.string().max(LIMITS.maxDisplayNameLength).nullable(),
});
export type DirectoryEntry = z.infer<typeof directoryEntrySchema>;

export const directoryLookup = {
  request: z.union([z.object({ handle: handleSchema }), z.object({ userId: userIdSchema })]),
  response: z.object({ entry: directoryEntrySchema }),
};

/** Prefix search over the handles and display names of users who opted in. */
export const directorySearch = {
  request: z.object({
    prefix: z.string().min(LIMITS.minSearchPrefixLength).max(LIMITS.maxDisplayNameLength),
    limit: z.number().int().min(1).max(LIMITS.maxSearchResults).optional(),
    cursor: z.string().max(512).optional(),
  }),
  response: z.object({
    entries: z.array(directoryEntrySchema).max(LIMITS.maxSearchResults),
    nextCursor: z.string().max(512).nullable(),
  }),
};

/** The user's own entry; what is left out stays as it is. */
export const directoryUpdate = {
  request: z.object({
    handle: handleSchema.optional(),
    displayName: z.string().min(1).max(LIMITS.maxDisplayNameLength).nullable().optional(),
    discoverable: z.boolean().optional(),
  }),
  response: z.object({ entry: directoryEntrySchema, discoverable: z.boolean() }),
};

const resourceNameSchema = z.object({
  kind: z.string().regex(/^[a-z][a-z0-9-]{0,31}$/),
  key: z.string().min(1).max(LIMITS.maxResourceKeyLength),
});

const attributesSchema = z
  .record(z.string().max(64), z.string().max(256))
  .refine(
    (value) => JSON.stringify(value).length <= LIMITS.maxResourceAttributesBytes,
    'too many attributes',
  );

/** This device offers a resource until the time-to-live ends, it withdraws it or it signs off. */
export const resourceAnnounce = {
  request: resourceNameSchema.extend({
    ttlMs: z.number().int().min(LIMITS.minResourceTtlMs).max(LIMITS.maxResourceTtlMs),
    attributes: attributesSchema.optional(),
  }),
  response: z.object({ expiresAt: timeSchema }),
};
export const resourceWithdraw = { request: resourceNameSchema, response: z.object({}) };

/** Who offers it, as far as the caller may see their presence. */
export const resourceFind = {
  request: resourceNameSchema.extend({
    limit: z.number().int().min(1).max(LIMITS.maxResourceHolders).optional(),
  }),
  response: z.object({
    holders: z
      .array(
        z.object({
          userId: userIdSchema,
          deviceId: deviceIdSchema,
          attributes: attributesSchema,
          expiresAt: timeSchema,
        }),
      )
      .max(LIMITS.maxResourceHolders),
    asOf: timeSchema,
  }),
};
