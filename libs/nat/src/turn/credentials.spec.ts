import { describe, expect, it } from '@jest/globals';
import { nodeCrypto } from '../node/node-crypto.ts';
import {
  coveringCredentialIds,
  formatTimeLimitedUsername,
  parseTimeLimitedUsername,
  timeLimitedPassword,
} from './credentials.ts';

describe('time-limited TURN credentials (DESIGN 7)', () => {
  it('round-trips expiry and id, also an id with colons', () => {
    const username = { expiresAtEpochSeconds: 1_800_000_000, credentialId: 'tenant/user:1/device' };

    expect(parseTimeLimitedUsername(formatTimeLimitedUsername(username))).toEqual(username);
  });

  it.each([
    '',
    'alice',
    ':alice',
    '12',
    '12:',
    '12: ',
    '-1:alice',
    '1e9:alice',
    '1234567890123:alice',
    `1:${'x'.repeat(257)}`,
  ])('takes no %p for a time-limited username', (username) =>
    expect(parseTimeLimitedUsername(username)).toBeUndefined(),
  );

  it('makes the password that other implementations make: base64 of HMAC-SHA1', () => {
    // printf '1433895918:gorst' | openssl dgst -sha1 -hmac north -binary | base64
    expect(timeLimitedPassword(nodeCrypto, 'north', '1433895918:gorst')).toBe('Jkoq/bR7DWfoH9c0tHZx2FEf1SM=');
  });

  it('covers an id by all ids above it, from the longest', () => {
    expect(coveringCredentialIds('a/b/c')).toEqual(['a/b/c', 'a/b', 'a']);
    expect(coveringCredentialIds('a')).toEqual(['a']);
    expect(coveringCredentialIds('1/2/3/4/5/6/7/8')[0]).toBe('1/2/3/4/5/6/7/8');
    expect(coveringCredentialIds('1/2/3/4/5/6/7/8')).toHaveLength(7);
  });
});
