import { createPublicKey, verify, type KeyObject } from 'node:crypto';
import {
  decodeBase64url,
  encodeBase64url,
  signingInput,
  type Signed,
  type SigningContext,
} from '@parley/protocol';

/**
 * A raw 32-byte Ed25519 public key as node:crypto takes it. By way of a JSON Web Key (RFC 8037 section 2): as a SubjectPublicKeyInfo it
 * goes through a decoder of OpenSSL, which takes as long as a signature.
 */
export function ed25519PublicKey(raw: Uint8Array): KeyObject {
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: encodeBase64url(raw) }, format: 'jwk' });
}

/**
 * Whether the signature is the signer's over the received payload bytes in this context. It says nothing about the
 * signer's right to sign.
 */
export function isSignatureValid(context: SigningContext, signed: Signed): boolean {
  const payload = decodeBase64url(signed.payload);
  const signature = decodeBase64url(signed.signature);
  const signer = decodeBase64url(signed.signer);
  if (!payload || !signature || signer?.length !== 32) return false;
  try {
    return verify(null, signingInput(context, payload), ed25519PublicKey(signer), signature);
  } catch {
    // 32 bytes that are no point of the curve: no signature can be theirs.
    return false;
  }
}
