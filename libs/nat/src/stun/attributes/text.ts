/** Attributes of UTF-8 text. Lengths are those of RFC 8489 section 14, in bytes, because a receiver counts those. */
import { NatError } from '../../errors.ts';
import { AttributeType } from '../attribute-type.ts';
import { decoded, refused, type AttributeCodec } from './attribute-codec.ts';

const USERNAME_MAX_BYTES = 508;
const QUOTED_TEXT_MAX_BYTES = 763;
const DOMAIN_MAX_BYTES = 255;

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

export const Username = textAttribute(AttributeType.USERNAME, USERNAME_MAX_BYTES);
export const Realm = textAttribute(AttributeType.REALM, QUOTED_TEXT_MAX_BYTES);
export const Nonce = textAttribute(AttributeType.NONCE, QUOTED_TEXT_MAX_BYTES);
export const Software = textAttribute(AttributeType.SOFTWARE, QUOTED_TEXT_MAX_BYTES);
export const AlternateDomain = textAttribute(AttributeType.ALTERNATE_DOMAIN, DOMAIN_MAX_BYTES);

export function encodeUtf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** `undefined` where the bytes are not well-formed UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  let text = '';
  for (const byte of bytes) {
    if (byte > 0x7f) return decodeBeyondAscii(bytes);
    text += String.fromCharCode(byte);
  }
  return text;
}

/** The decoder replaces what is malformed by U+FFFD, which a text may also contain by right: then the bytes tell. */
function decodeBeyondAscii(bytes: Uint8Array): string | undefined {
  const text = decoder.decode(bytes);
  if (!text.includes('\ufffd')) return text;
  const again = encoder.encode(text);
  return again.length === bytes.length && again.every((byte, index) => byte === bytes[index])
    ? text
    : undefined;
}

function textAttribute(type: number, maxBytes: number): AttributeCodec<string> {
  return {
    type,
    encode: (text) => {
      const value = encodeUtf8(text);
      if (value.length > maxBytes) {
        throw new NatError('NAT_INVALID_ARGUMENT', `The text is longer than ${maxBytes} bytes of UTF-8.`);
      }
      return value;
    },
    decode: (value) => {
      if (value.length > maxBytes) return refused('too-long', maxBytes);
      const text = decodeUtf8(value);
      return text === undefined ? refused('invalid-text') : decoded(text);
    },
  };
}
