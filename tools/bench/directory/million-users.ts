/** Users are made in the database: what is measured is how they are found, not how they register. */
interface Database {
  query(sql: string, values?: readonly unknown[]): Promise<unknown>;
}

const BATCH = 100_000;

/** Given and family names, so that many users share a prefix, as in life. */
const GIVEN =
  'anna ben clara david emma felix greta hugo ida jonas karin leon mia noah olga paul rosa simon tina viktor'.split(
    ' ',
  );
const FAMILY =
  'adler bauer claus dietz engel fuchs graf hahn ivens jung koch lang maier neumann otto peters richter schmidt thoma wagner'.split(
    ' ',
  );

/** Handle of the user with a number: `annabauer4711`. */
export function handleOf(number: number): string {
  return `${wordAt(GIVEN, number)}${wordAt(FAMILY, Math.floor(number / GIVEN.length))}${number}`;
}

/** User id of the same, in the form that the protocol wants. */
export function userIdOf(number: number): string {
  return `u.${String(number).padStart(43, 'A')}`;
}

/** The first letters of somebody's handle or name, as a person types them. */
export function prefixOf(number: number, length: number): string {
  return handleOf(number).slice(0, length);
}

/** Fills the directory in statements of many rows. */
export async function insertUsers(database: Database, count: number): Promise<void> {
  for (let from = 0; from < count; from += BATCH) {
    await database.query(
      `INSERT INTO user_account (tenant_id, user_id, handle, handle_folded, display_name, discoverable, updated_at)
       SELECT 'default', 'u.' || lpad(n::text, 43, 'A'), given || family || n, given || family || n,
              initcap(given) || ' ' || initcap(family), true, now()
       FROM (
         SELECT n, ($3::text[])[1 + n % $5] AS given, ($4::text[])[1 + (n / $5) % $6] AS family
         FROM generate_series($1::int, $2::int) AS n
       ) AS numbered`,
      [from, Math.min(count, from + BATCH) - 1, GIVEN, FAMILY, GIVEN.length, FAMILY.length],
    );
  }
  await database.query('ANALYZE user_account');
}

function wordAt(words: readonly string[], number: number): string {
  return words[number % words.length] ?? '';
}
