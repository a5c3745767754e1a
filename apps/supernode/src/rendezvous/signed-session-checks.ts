import { decodeBase64url, decodePayload, LIMITS, type Signed, type SigningContext } from '@parley/protocol';
import type { z } from 'zod';
import type { DeviceAddress } from '../identity/caller.ts';
import { deviceIdOf } from '../identity/digest.ts';
import { isSignatureValid } from '../identity/ed25519.ts';
import { Refusal } from '../refusal.ts';

interface SessionHalf {
  readonly sessionId: string;
  readonly from: { readonly userId: string; readonly deviceId: string };
  readonly to: { readonly userId: string; readonly deviceId: string };
  readonly issuedAt: number;
}

/**
 * The supernode's own look at a signed offer, answer or candidate list. The receiver checks all of it again: this only
 * keeps junk and forgeries from travelling. The signer must be the sending device itself, whose id is the hash of the key.
 */
export function checkSignedHalf<Schema extends z.ZodType<SessionHalf>>(
  context: SigningContext,
  schema: Schema,
  signed: Signed,
  expected: { sessionId: string; from: DeviceAddress; to: { userId?: string; deviceId: string } },
  now: number,
): z.infer<Schema> {
  const key = decodeBase64url(signed.signer);
  if (!key || deviceIdOf(key) !== expected.from.deviceId)
    throw new Refusal('BAD_PROOF', 'Not signed by the key of this device.');
  if (!isSignatureValid(context, signed)) throw new Refusal('BAD_PROOF');

  const half = decodePayload(schema, signed);
  if (!half) throw new Refusal('BAD_REQUEST', 'The signed payload does not fit its schema.');
  const isForThis =
    half.sessionId === expected.sessionId &&
    half.from.userId === expected.from.userId &&
    half.from.deviceId === expected.from.deviceId &&
    half.to.deviceId === expected.to.deviceId &&
    (expected.to.userId === undefined || half.to.userId === expected.to.userId);
  if (!isForThis)
    throw new Refusal('BAD_PROOF', 'The signed payload names other parties or another session.');
  // Clients' clocks are never trusted: an offer may be off by the window in either direction.
  if (Math.abs(now - half.issuedAt) > LIMITS.replayWindowMs) throw new Refusal('OFFER_EXPIRED');
  return half;
}
