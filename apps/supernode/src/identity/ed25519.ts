import { createPublicKey, verify, type KeyObject } from 'node:crypto';
import { decodeBase64url, signingInput, type Signed, type SigningContext } from '@parley/protocol';

/** RFC 8410 section 4: the fixed beginning of a SubjectPublicKeyInfo for Ed25519; the raw key follows. */
const SPKI_PREFIX = Uint8Array.from([0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00]);

/** A raw 32-byte Ed25519 public key as node:crypto takes it. */
export function ed25519PublicKey(raw: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.concat([SPKI_PREFIX, raw]), format: 'der', type: 'spki' });
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
