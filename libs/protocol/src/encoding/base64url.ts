/**
 * Base64url without padding (RFC 4648 section 5). Decoding is strict: one byte string has exactly one spelling, so that
 * signed bytes and ids can be compared as text.
 */
const ALPHABET = new TextEncoder().encode('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_');

const INVALID = 0xff;
/** The value of every ASCII character. */
const VALUES = new Uint8Array(128).fill(INVALID);
for (const [value, character] of ALPHABET.entries()) VALUES[character] = value;

const ASCII = new TextDecoder();

export function encodeBase64url(bytes: Uint8Array): string {
  const text = new Uint8Array(Math.ceil((bytes.length * 4) / 3));
  let filled = 0;
  let word = 0;
  let bits = 0;
  for (const byte of bytes) {
    word = ((word << 8) | byte) & 0xffff;
    bits += 8;
    while (bits >= 6) {
      bits -= 6;
      text[filled] = characterOf(word >> bits);
      filled += 1;
    }
  }
  if (bits > 0) text[filled] = characterOf(word << (6 - bits));
  return ASCII.decode(text);
}

/** The bytes, or undefined when `text` is not the canonical spelling of any. */
export function decodeBase64url(text: string): Uint8Array | undefined {
  const tail = text.length % 4;
  if (tail === 1) return undefined;
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4));
  let filled = 0;
  let word = 0;
  let bits = 0;
  for (let at = 0; at < text.length; at += 1) {
    const value = VALUES[text.charCodeAt(at)] ?? INVALID;
    if (value === INVALID) return undefined;
    word = ((word << 6) | value) & 0xffffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes[filled] = (word >> bits) & 0xff;
      filled += 1;
    }
  }
  const unused = word & ((1 << bits) - 1);
  return unused === 0 ? bytes : undefined;
}

const DIGITS = /^[A-Za-z0-9_-]*$/;

/** How many bytes `text` decodes to, or undefined where {@link decodeBase64url} gives none: without decoding them. */
export function base64urlLength(text: string): number | undefined {
  const tail = text.length % 4;
  if (tail === 1 || !DIGITS.test(text)) return undefined;
  const unusedBits = tail === 2 ? 4 : tail === 3 ? 2 : 0;
  const last = VALUES[text.charCodeAt(text.length - 1)] ?? 0;
  return (last & ((1 << unusedBits) - 1)) === 0 ? Math.floor((text.length * 3) / 4) : undefined;
}

function characterOf(word: number): number {
  return ALPHABET[word & 63] ?? 0;
}
