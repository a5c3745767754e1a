import { sign, verify } from 'node:crypto';
import {
  decodeBase64url,
  encodeBase64url,
  encodePayload,
  signingInput,
  type Signed,
  type SigningContext,
} from '@parley/protocol';
import { EdgeClientError } from '../errors.ts';
import { sha256, verifyingKey, type KeyPair } from './keys.ts';

/** Writes the payload once and signs these bytes; nobody re-encodes them afterwards. */
export function signPayload(context: SigningContext, value: unknown, key: KeyPair): Signed {
  const payload = encodePayload(value);
  return {
    payload: encodeBase64url(payload),
    signature: encodeBase64url(sign(null, signingInput(context, payload), key.privateKey)),
    signer: encodeBase64url(key.publicKey),
  };
}

/** Whether the signature is the signer's. Says nothing about the signer's right to sign. */
export function isSignatureValid(context: SigningContext, signed: Signed): boolean {
  const payload = decodeBase64url(signed.payload);
  const signature = decodeBase64url(signed.signature);
  const signer = decodeBase64url(signed.signer);
  if (!payload || !signature || !signer) return false;
  try {
    return verify(null, signingInput(context, payload), verifyingKey(signer), signature);
  } catch (thrown) {
    // Not a point of the curve: no signature can be valid for it.
    if (thrown instanceof EdgeClientError) return false;
    throw thrown;
  }
}

/** SHA-256 of the payload bytes, as base64url: how signed things name each other. */
export function payloadHash(signed: Signed): string {
  return encodeBase64url(sha256(decodeBase64url(signed.payload) ?? new Uint8Array(0)));
}
