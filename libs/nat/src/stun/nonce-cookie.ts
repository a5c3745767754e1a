/**
 * The nonce cookie (RFC 8489 section 9.2): a nonce that begins with `obMatJos2` and 24 bits of security features in
 * base64 tells a client what the server supports, so that nobody on the path can talk it down to less.
 */
const COOKIE = 'obMatJos2';
const FEATURE_CHARACTERS = 4;
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/**
 * RFC 8489 section 18.1 counts the 24 bits from the most significant one, its own test vector (B.1) from the least. We send
 * the former and read both: the other bits are unassigned, so nothing else can be meant.
 */
const PASSWORD_ALGORITHMS_BIT = 1 << 23;
const USERNAME_ANONYMITY_BIT = 1 << 22;
const PASSWORD_ALGORITHMS_BITS = PASSWORD_ALGORITHMS_BIT | (1 << 0);
const USERNAME_ANONYMITY_BITS = USERNAME_ANONYMITY_BIT | (1 << 1);

export interface SecurityFeatures {
  /** The server sent PASSWORD-ALGORITHMS; a response without it was tampered with. */
  readonly passwordAlgorithms: boolean;
  /** The server accepts USERHASH. */
  readonly usernameAnonymity: boolean;
}

/** What a nonce begins with; the server appends the rest of its nonce. */
export function encodeNonceCookie({ passwordAlgorithms, usernameAnonymity }: SecurityFeatures): string {
  const bits =
    (passwordAlgorithms ? PASSWORD_ALGORITHMS_BIT : 0) | (usernameAnonymity ? USERNAME_ANONYMITY_BIT : 0);
  let text = COOKIE;
  for (let shift = 18; shift >= 0; shift -= 6) text += ALPHABET.charAt((bits >>> shift) & 0x3f);
  return text;
}

/** The features that a nonce states, or `undefined` where it has no nonce cookie. */
export function decodeNonceCookie(nonce: string): SecurityFeatures | undefined {
  if (!nonce.startsWith(COOKIE) || nonce.length < COOKIE.length + FEATURE_CHARACTERS) return undefined;
  let bits = 0;
  for (const character of nonce.slice(COOKIE.length, COOKIE.length + FEATURE_CHARACTERS)) {
    const value = ALPHABET.indexOf(character);
    if (value < 0) return undefined;
    bits = (bits << 6) | value;
  }
  return {
    passwordAlgorithms: (bits & PASSWORD_ALGORITHMS_BITS) !== 0,
    usernameAnonymity: (bits & USERNAME_ANONYMITY_BITS) !== 0,
  };
}
