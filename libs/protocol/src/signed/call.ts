import { z } from 'zod';

export const CALL_MEDIA = ['audio', 'video'] as const;
export type CallMedia = (typeof CALL_MEDIA)[number];

export const callMediaSchema = z
  .array(z.enum(CALL_MEDIA))
  .min(1)
  .max(CALL_MEDIA.length)
  .refine((media) => new Set(media).size === media.length, 'each medium once');

/** What makes a session offer a call: the callee's devices ring for it. */
export const callDescriptionSchema = z.object({ media: callMediaSchema });
export type CallDescription = z.infer<typeof callDescriptionSchema>;
