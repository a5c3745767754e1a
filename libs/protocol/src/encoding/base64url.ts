/**
 * Base64url without padding (RFC 4648 section 5). Decoding is strict: one byte string has exactly one spelling, so that
 * signed bytes and ids can be compared as text.
 */
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

const VALUES: ReadonlyMap<string, number> = new Map(
  Array.from(ALPHABET, (character, value) => [character, value]),
);

export function encodeBase64url(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 3) {
    const left = bytes.length - at;
    const word = ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    text += ALPHABET.charAt(word >> 18) + ALPHABET.charAt((word >> 12) & 63);
    if (left > 1) text += ALPHABET.charAt((word >> 6) & 63);
    if (left > 2) text += ALPHABET.charAt(word & 63);
  }
  return text;
}

/** The bytes, or undefined when `text` is not the canonical spelling of any. */
export function decodeBase64url(text: string): Uint8Array | undefined {
  const tail = text.length % 4;
  if (tail === 1) return undefined;
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4));
  let filled = 0;
  let word = 0;
  let bits = 0;
  for (const character of text) {
    const value = VALUES.get(character);
    if (value === undefined) return undefined;
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
  const last = VALUES.get(text.charAt(text.length - 1)) ?? 0;
  return (last & ((1 << unusedBits) - 1)) === 0 ? Math.floor((text.length * 3) / 4) : undefined;
}
