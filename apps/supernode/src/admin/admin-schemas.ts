import { PRESENCE_STATES } from '@parley/protocol';
import { z } from 'zod';
import { DEFAULT_PAGE_LIMIT, MAX_PAGE_LIMIT } from './cursor.ts';
import { ADMIN_SCOPES } from './scope.ts';

/** Shapes of the admin API: validation, types and the OpenAPI document come from the same schemas. */
const time = z.iso.datetime().meta({ description: 'UTC, ISO 8601' });
const nextCursor = z
  .string()
  .nullable()
  .meta({ description: 'Give it back as `cursor` for the next page; null on the last' });

export const pageQuerySchema = z.object({
  cursor: z.string().min(1).optional().meta({ description: 'The `nextCursor` of the page before' }),
  limit: z.coerce.number().int().min(1).max(MAX_PAGE_LIMIT).default(DEFAULT_PAGE_LIMIT),
});

export const presenceQuerySchema = pageQuerySchema.extend({
  state: z.enum(PRESENCE_STATES).optional().meta({ description: 'Only users in this coalesced state' }),
  updatedSince: z.iso
    .datetime({ offset: true })
    .optional()
    .meta({ description: 'Only users whose state changed since' }),
});
export type PresencePageQuery = z.infer<typeof presenceQuerySchema>;

export const presenceSchema = z.object({
  userId: z.string(),
  state: z.enum(PRESENCE_STATES).meta({ description: 'Coalesced over the devices' }),
  statusText: z.string().nullable(),
  lastSeenAt: time.nullable(),
  updatedAt: time,
  devices: z.array(
    z.object({
      deviceId: z.string(),
      state: z.enum(PRESENCE_STATES),
      reachable: z.boolean(),
      updatedAt: time,
    }),
  ),
  asOf: time.meta({ description: 'When this was read: presence is available, not consistent' }),
});
export type PresenceResource = z.infer<typeof presenceSchema>;

export const presencePageSchema = z.object({ items: z.array(presenceSchema), nextCursor, asOf: time });

export const adminKeySchema = z.object({
  id: z.string(),
  name: z.string(),
  scopes: z.array(z.string()),
  createdAt: time,
  expiresAt: time.nullable(),
  revokedAt: time.nullable(),
  lastUsedAt: time.nullable(),
});
export type AdminKeyResource = z.infer<typeof adminKeySchema>;

export const adminKeyPageSchema = z.object({ items: z.array(adminKeySchema), nextCursor });

export const newAdminKeySchema = z.strictObject({
  name: z.string().min(1).max(100),
  scopes: z.array(z.enum(ADMIN_SCOPES)).min(1).max(ADMIN_SCOPES.length),
  expiresAt: z.iso.datetime({ offset: true }).optional(),
});
export type NewAdminKeyBody = z.infer<typeof newAdminKeySchema>;

export const issuedAdminKeySchema = adminKeySchema.extend({
  key: z.string().meta({ description: 'The key itself; it is shown this one time' }),
});

export const problemSchema = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  code: z.string(),
  detail: z.string().optional(),
  errors: z.array(z.object({ field: z.string(), reason: z.string() })).optional(),
  traceId: z.string(),
});
