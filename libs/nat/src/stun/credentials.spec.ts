import { nodeCrypto } from '../node/node-crypto.ts';
import { longTermKey, shortTermKey, userhash } from './credentials.ts';
import { decodeNonceCookie, encodeNonceCookie } from './nonce-cookie.ts';

describe('STUN credentials (RFC 8489 section 9)', () => {
  it('composes characters and maps spaces before hashing, so that two spellings of one password are one key', () => {
    expect(shortTermKey('caf\u0065\u0301')).toEqual(shortTermKey('caf\u00e9'));
    expect(shortTermKey('a\u00a0b')).toEqual(shortTermKey('a b'));
    expect(shortTermKey('A')).not.toEqual(shortTermKey('a'));
  });

  it('derives the MD5 key of the example of RFC 5389 section 15.4', () => {
    const key = longTermKey(nodeCrypto, { username: 'user', realm: 'realm', password: 'pass' }, 'md5');

    expect(Buffer.from(key).toString('hex')).toBe('8493fbc53ba582fb4c044c456bdc40eb');
  });

  it('gives userhash and SHA-256 key 32 bytes that differ', () => {
    const key = longTermKey(nodeCrypto, { username: 'user', realm: 'realm', password: 'pass' }, 'sha-256');

    expect([key.length, userhash(nodeCrypto, 'user', 'realm').length]).toEqual([32, 32]);
    expect(key).not.toEqual(userhash(nodeCrypto, 'user', 'realm'));
  });
});

describe('nonce cookie (RFC 8489 section 9.2)', () => {
  it.each([
    [false, false, 'obMatJos2AAAA'],
    [true, false, 'obMatJos2gAAA'],
    [false, true, 'obMatJos2QAAA'],
    [true, true, 'obMatJos2wAAA'],
  ])('password algorithms %p, username anonymity %p: %s', (passwordAlgorithms, usernameAnonymity, text) => {
    const features = { passwordAlgorithms, usernameAnonymity };

    expect(encodeNonceCookie(features)).toBe(text);
    expect(decodeNonceCookie(`${text}rest`)).toEqual(features);
  });

  it('reads the bits counted from the other end, as the vector of appendix B.1 has them', () => {
    expect(decodeNonceCookie('obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA')).toEqual({
      passwordAlgorithms: false,
      usernameAnonymity: true,
    });
  });

  it.each([
    '',
    'f//499k954d6OL34oL9FSTvy64sA',
    'obMatJos2',
    'obMatJos2AAA',
    'obMatJos2AA!A',
    'obmatjos2AAAA',
  ])('finds none in %j', (nonce) => {
    expect(decodeNonceCookie(nonce)).toBeUndefined();
  });
});
