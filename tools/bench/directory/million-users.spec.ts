import { describe, expect, it } from '@jest/globals';
import { handleSchema, userIdSchema } from '@parley/protocol';
import { handleOf, insertUsers, prefixOf, userIdOf } from './million-users.ts';

const NUMBERS = [0, 1, 19, 20, 399, 400, 4_711, 999_999];

describe('users of the directory benchmark', () => {
  it('have a handle and a user id of their own, as the protocol wants them', () => {
    expect(new Set(NUMBERS.map((number) => handleSchema.parse(handleOf(number)))).size).toBe(NUMBERS.length);
    expect(new Set(NUMBERS.map((number) => userIdSchema.parse(userIdOf(number)))).size).toBe(NUMBERS.length);
    for (const number of NUMBERS) expect(handleOf(number).startsWith(prefixOf(number, 5))).toBe(true);
  });

  it('are all inserted once, in statements of a bounded size', async () => {
    const ranges: [unknown, unknown][] = [];
    const database = {
      query: (_sql: string, values: readonly unknown[] = []) => {
        if (values.length > 0) ranges.push([values[0], values[1]]);
        return Promise.resolve();
      },
    };
    await insertUsers(database, 250_001);

    expect(ranges).toEqual([
      [0, 99_999],
      [100_000, 199_999],
      [200_000, 250_000],
    ]);
  });
});
