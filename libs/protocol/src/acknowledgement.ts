import { z } from 'zod';
import { WIRE_ERROR_CODES, WIRE_ERRORS, type WireErrorCode } from './error-code.ts';
import { alternatesSchema } from './ids.ts';

/** The error half of the envelope. `message` is for developers; it never repeats what the client sent. */
export const wireErrorSchema = z.object({
  code: z.enum(WIRE_ERROR_CODES),
  message: z.string().max(512),
  retryable: z.boolean(),
  retryAfterMs: z.number().int().nonnegative().optional(),
  /** A client waits for a random part of this beyond `retryAfterMs`, so that those who were refused together come back apart. */
  windowMs: z.number().int().nonnegative().optional(),
  /** Supernodes to try instead, in this order. */
  alternates: alternatesSchema.optional(),
});

export type WireError = z.infer<typeof wireErrorSchema>;

/** Every client request is acknowledged with exactly one of these. */
export type Acknowledgement<Data> = { ok: true; data: Data } | { ok: false; error: WireError };

export function acknowledgementSchema<Schema extends z.ZodType>(data: Schema) {
  return z.discriminatedUnion('ok', [
    z.object({ ok: z.literal(true), data }),
    z.object({ ok: z.literal(false), error: wireErrorSchema }),
  ]);
}

export function accepted<Data>(data: Data): Acknowledgement<Data> {
  return { ok: true, data };
}

/** Where else, and in which window, a refused client may try. */
export interface WayOut {
  readonly windowMs?: number | undefined;
  readonly alternates?: readonly string[] | undefined;
}

/** Builds the error half from the code table, so that `retryable` can't contradict the reference page. */
export function refused(
  code: WireErrorCode,
  message: string,
  retryAfterMs?: number,
  { windowMs, alternates }: WayOut = {},
): Acknowledgement<never> {
  const error: WireError = { code, message, retryable: WIRE_ERRORS[code].retryable };
  if (retryAfterMs !== undefined) error.retryAfterMs = Math.ceil(retryAfterMs);
  if (windowMs !== undefined) error.windowMs = Math.ceil(windowMs);
  if (alternates !== undefined) error.alternates = [...alternates];
  return { ok: false, error };
}
