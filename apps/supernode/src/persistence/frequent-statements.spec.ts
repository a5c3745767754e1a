import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { FrequentStatements } from './frequent-statements.ts';
import { isStoreUnavailable } from './store-unavailable.ts';
import { openTestDatabase, type TestDatabase } from './testing/test-database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
}, 60_000);
afterAll(() => database.close());

describe('FrequentStatements', () => {
  it('takes a database that hangs for one that is away, and goes on with the next statement', async () => {
    const statements = new FrequentStatements(database.prisma.connections, 50);

    const late = statements.run({ name: 'sleeping', text: 'SELECT pg_sleep($1)' }, [20]);

    expect(isStoreUnavailable(await late.catch((error: unknown) => error))).toBe(true);
    const patient = new FrequentStatements(database.prisma.connections);
    expect(await patient.run({ name: 'adding', text: 'SELECT $1::int + 1 AS sum' }, [41])).toEqual([
      { sum: 42 },
    ]);
  });

  it('passes on what the database says of a wrong statement', async () => {
    const statements = new FrequentStatements(database.prisma.connections);

    await expect(statements.run({ name: 'dividing', text: 'SELECT 1 / $1::int' }, [0])).rejects.toMatchObject(
      {
        code: '22012',
      },
    );
  });
});
