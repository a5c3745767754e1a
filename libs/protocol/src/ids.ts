import { z } from 'zod';
import { base64urlLength } from './encoding/base64url.ts';
import { LIMITS } from './limits.ts';

/** Base64url text that decodes to between `min` and `max` bytes. */
export function bytesSchema(max: number, min = 0) {
  return z
    .string()
    .max(Math.ceil((max * 4) / 3))
    .refine(
      (text) => {
        const length = base64urlLength(text);
        return length !== undefined && length >= min && length <= max;
      },
      `base64url of ${String(min)} to ${String(max)} bytes`,
    );
}

/** Exactly `length` bytes as base64url. */
export function fixedBytesSchema(length: number) {
  return bytesSchema(length, length);
}

/** One app's users; part of every row, key, token and metric. */
export const tenantIdSchema = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]*$/)
  .max(LIMITS.maxTenantIdLength)
  .brand('TenantId');
export type TenantId = z.infer<typeof tenantIdSchema>;

export const DEFAULT_TENANT = tenantIdSchema.parse('default');

/** The token's `sub`, or for an account of open registration `u.` and the base64url SHA-256 of its root key. */
export const userIdSchema = z
  .string()
  .regex(/^[\x21-\x7e]+$/)
  .max(LIMITS.maxUserIdLength)
  .brand('UserId');
export type UserId = z.infer<typeof userIdSchema>;

/** Base64url of the SHA-256 of the device's raw 32-byte Ed25519 public key. */
export const deviceIdSchema = fixedBytesSchema(32).brand('DeviceId');
export type DeviceId = z.infer<typeof deviceIdSchema>;

/** 16 random bytes chosen by the caller. */
export const sessionIdSchema = fixedBytesSchema(16).brand('SessionId');
export type SessionId = z.infer<typeof sessionIdSchema>;

/** Letters, digits, dot, dash, underscore; compared without regard to case. */
export const handleSchema = z
  .string()
  .min(LIMITS.minHandleLength)
  .max(LIMITS.maxHandleLength)
  .regex(/^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$/)
  .brand('Handle');
export type Handle = z.infer<typeof handleSchema>;

/** Raw 32-byte Ed25519 or X25519 public key. */
export const publicKeySchema = fixedBytesSchema(32);
export const signatureSchema = fixedBytesSchema(64);
export const digestSchema = fixedBytesSchema(32);

/** Base URL of a supernode's edge gateway: `https://sn2.example.net`. */
export const edgeUrlSchema = z.string().max(LIMITS.maxEdgeUrlLength);
/** Edge URLs in the order in which a client should try them. */
export const alternatesSchema = z.array(edgeUrlSchema).max(LIMITS.maxAlternates);

/** Milliseconds since the epoch by the sender's clock: for people and for windows, never trusted as an order. */
export const timeSchema = z.number().int().nonnegative();
