import { describe, expect, it } from '@jest/globals';
import { parseRedisUrl } from './redis-url.ts';

describe('parseRedisUrl', () => {
  it.each([
    ['redis://cache', { kind: 'single', servers: ['redis://cache:6379'], isTls: false }],
    ['rediss://cache:6380/2', { kind: 'single', servers: ['rediss://cache:6380'], isTls: true, database: 2 }],
    [
      'redis://app:p%40ss@[2001:db8::1]:7000',
      {
        kind: 'single',
        servers: ['redis://[2001:db8::1]:7000'],
        isTls: false,
        username: 'app',
        password: 'p@ss',
      },
    ],
    [
      'rediss+cluster://:secret@one:7000?node=two:7001&node=three:7002',
      {
        kind: 'cluster',
        servers: ['rediss://one:7000', 'rediss://two:7001', 'rediss://three:7002'],
        isTls: true,
        password: 'secret',
      },
    ],
  ])('reads %s', (url, place) => {
    expect(parseRedisUrl(url)).toEqual(place);
  });

  it.each(['http://cache', 'redis://', 'cache:6379', 'redis://cache/main'])('refuses %s', (url) => {
    expect(() => parseRedisUrl(url)).toThrow(expect.objectContaining({ code: 'SN_CONFIG_INVALID' }));
  });
});
