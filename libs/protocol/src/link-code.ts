import { decodeBase64url, encodeBase64url } from './encoding/base64url.ts';

const PREFIX = 'parley-link:';
const KEY_BYTES = 32;
const SECRET_BYTES = 16;
const CODE_BYTES = 2 * KEY_BYTES + SECRET_BYTES;

/** What a new device shows as text or QR code; the supernode sees neither the code nor the secret. */
export interface LinkCode {
  /** Raw Ed25519 public key of the device that wants to be linked. */
  readonly deviceKey: Uint8Array;
  /** Raw X25519 public key of the same device: the approver lists both keys, and knows the device only by this code. */
  readonly agreementKey: Uint8Array;
  readonly secret: Uint8Array;
}

export function encodeLinkCode(code: LinkCode): string {
  const bytes = new Uint8Array(CODE_BYTES);
  bytes.set(code.deviceKey, 0);
  bytes.set(code.agreementKey, KEY_BYTES);
  bytes.set(code.secret, 2 * KEY_BYTES);
  return PREFIX + encodeBase64url(bytes);
}

/** The code, or undefined when the text is not one. */
export function decodeLinkCode(text: string): LinkCode | undefined {
  const bytes = text.startsWith(PREFIX) ? decodeBase64url(text.slice(PREFIX.length).trim()) : undefined;
  if (bytes?.length !== CODE_BYTES) return undefined;
  return {
    deviceKey: bytes.slice(0, KEY_BYTES),
    agreementKey: bytes.slice(KEY_BYTES, 2 * KEY_BYTES),
    secret: bytes.slice(2 * KEY_BYTES),
  };
}
