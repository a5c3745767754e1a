import { z } from 'zod';
import { decodeBase64url } from '../encoding/base64url.ts';
import { bytesSchema, publicKeySchema, signatureSchema } from '../ids.ts';
import { LIMITS } from '../limits.ts';

/**
 * Bytes with an Ed25519 signature. The payload is UTF-8 JSON that its maker wrote once; everybody else checks the
 * signature over these very bytes and only then parses them. Nobody re-encodes them.
 */
export const signedSchema = z.object({
  payload: bytesSchema(LIMITS.maxSignedPayloadBytes, 2),
  signature: signatureSchema,
  /** Raw Ed25519 public key of the signer. A claim until the signature and the signer's right to sign are checked. */
  signer: publicKeySchema,
});

export type Signed = z.infer<typeof signedSchema>;

/** What a signature is for. The context is signed too, so that no signed thing can pass for another. */
export const SIGNING_CONTEXTS = {
  authentication: 'parley/v1/authentication',
  deviceList: 'parley/v1/device-list',
  sessionOffer: 'parley/v1/session-offer',
  sessionAnswer: 'parley/v1/session-answer',
  sessionCandidates: 'parley/v1/session-candidates',
  message: 'parley/v1/message',
  homes: 'parley/v1/homes',
} as const;

export type SigningContext = keyof typeof SIGNING_CONTEXTS;

const encoder = new TextEncoder();

/** The bytes that are signed: context, a zero byte, payload. */
export function signingInput(context: SigningContext, payload: Uint8Array): Uint8Array {
  const prefix = encoder.encode(SIGNING_CONTEXTS[context]);
  const input = new Uint8Array(prefix.length + 1 + payload.length);
  input.set(prefix, 0);
  input.set(payload, prefix.length + 1);
  return input;
}

/** The payload bytes that a signer signs: JSON, written once. */
export function encodePayload(value: unknown): Uint8Array {
  return encoder.encode(JSON.stringify(value));
}

/**
 * Parses the payload of a signed thing by its schema; undefined when it is not UTF-8, not JSON or of another shape.
 * Call it only after the signature was checked over the same bytes.
 */
export function decodePayload<Schema extends z.ZodType>(
  schema: Schema,
  signed: Signed,
): z.infer<Schema> | undefined {
  const bytes = decodeBase64url(signed.payload);
  if (!bytes) return undefined;
  const parsed = parseJson(bytes);
  if (parsed === undefined) return undefined;
  const result = schema.safeParse(parsed);
  return result.success ? result.data : undefined;
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown;
  } catch {
    return undefined;
  }
}
