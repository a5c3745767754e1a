import { describe, expect, it } from '@jest/globals';
import { parseRedisUrl } from './redis-url.ts';

describe('parseRedisUrl', () => {
  it.each([
    ['redis://cache', { kind: 'single', servers: [{ host: 'cache', port: 6379 }], isTls: false }],
    [
      'rediss://cache:6380/2',
      { kind: 'single', servers: [{ host: 'cache', port: 6380 }], isTls: true, database: 2 },
    ],
    [
      'redis://app:p%40ss@[2001:db8::1]:7000',
      {
        kind: 'single',
        servers: [{ host: '2001:db8::1', port: 7000 }],
        isTls: false,
        username: 'app',
        password: 'p@ss',
      },
    ],
    [
      'rediss+cluster://:secret@one:7000?node=two:7001&node=three:7002',
      {
        kind: 'cluster',
        servers: [
          { host: 'one', port: 7000 },
          { host: 'two', port: 7001 },
          { host: 'three', port: 7002 },
        ],
        isTls: true,
        password: 'secret',
      },
    ],
    [
      'redis+sentinel://guard/main/3?node=other:26380',
      {
        kind: 'sentinel',
        servers: [
          { host: 'guard', port: 26379 },
          { host: 'other', port: 26380 },
        ],
        isTls: false,
        watched: 'main',
        database: 3,
      },
    ],
  ])('reads %s', (url, place) => {
    expect(parseRedisUrl(url)).toEqual(place);
  });

  it.each(['http://cache', 'redis://', 'cache:6379', 'redis://cache/main', 'redis+sentinel://guard'])(
    'refuses %s',
    (url) => {
      expect(() => parseRedisUrl(url)).toThrow(expect.objectContaining({ code: 'SN_CONFIG_INVALID' }));
    },
  );
});
