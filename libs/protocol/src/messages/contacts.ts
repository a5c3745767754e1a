import { z } from 'zod';
import { handleSchema, timeSchema, userIdSchema } from '../ids.ts';
import { LIMITS } from '../limits.ts';

export const CONTACT_STATES = ['pending-out', 'pending-in', 'accepted', 'blocked'] as const;

export const contactSchema = z.object({
  userId: userIdSchema,
  handle: handleSchema.nullable(),
  displayName: z.string().max(LIMITS.maxDisplayNameLength).nullable(),
  state: z.enum(CONTACT_STATES),
  since: timeSchema,
});
export type Contact = z.infer<typeof contactSchema>;

const oneUser = z.object({ userId: userIdSchema });
const changed = z.object({ contact: contactSchema.nullable() });

export const contactsList = {
  request: z.object({}),
  response: z.object({
    contacts: z.array(contactSchema).max(LIMITS.maxContactsPerUser + LIMITS.maxPendingContactRequests),
    /** The newest version of the device list of each accepted contact: who has pinned it needs not ask for it. */
    deviceLists: z
      .array(z.object({ userId: userIdSchema, version: z.number().int().positive() }))
      .max(LIMITS.maxContactsPerUser)
      .optional(),
  }),
};
/** Answers alike whether or not the other side has blocked the caller. */
export const contactsRequest = { request: oneUser, response: changed };
export const contactsAccept = { request: oneUser, response: changed };
/** Withdraws a request, declines one, or ends a contact, on both sides. */
export const contactsRemove = { request: oneUser, response: changed };
export const contactsBlock = { request: oneUser, response: changed };
export const contactsUnblock = { request: oneUser, response: changed };

/** `contact: null` means the user is no longer in the list. */
export const contactChangedSchema = z.object({ userId: userIdSchema, contact: contactSchema.nullable() });
