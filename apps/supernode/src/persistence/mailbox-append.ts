import { LIMITS } from '@parley/protocol';
import { copyKey } from '../messaging/mailbox-append-plan.ts';
import type { AppendOutcome, MailboxCopy } from '../messaging/mailbox-store.port.ts';
import type { FrequentStatements } from './frequent-statements.ts';

/** The function is in the SQL migrations; bytes travel as one binary value, which needs no escaping. */
const APPEND = {
  name: 'mailbox-append',
  text: `SELECT * FROM mailbox_append($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::integer[],
                                      $8::bytea, $9::boolean[], $10::boolean[], $11::timestamptz, $12::integer, $13::bigint)`,
};

interface Row {
  readonly found: boolean;
  readonly position: string | null;
  readonly is_new: boolean;
  readonly since: Date;
  readonly request: boolean;
}

/** Stores copies with one statement. Undefined, and nothing stored, where a mailbox may become too full. */
export async function appendAtOnce(
  statements: FrequentStatements,
  copies: readonly MailboxCopy[],
  storedAt: number,
): Promise<readonly AppendOutcome[] | undefined> {
  const { distinct, placeOf } = withoutRepetitions(copies);
  const sealed = distinct.map(({ envelope }) => Buffer.from(envelope.sealed, 'base64url'));
  const rows = await statements.run<Row>(APPEND, [
    distinct.map(({ tenant }) => tenant),
    distinct.map(({ deviceId }) => deviceId),
    distinct.map(({ from }) => from.userId),
    distinct.map(({ from }) => from.deviceId),
    distinct.map(({ messageId }) => messageId),
    distinct.map(({ envelope }) => envelope.scheme),
    sealed.map(({ length }) => length),
    Buffer.concat(sealed),
    distinct.map(({ isRequest }) => isRequest),
    distinct.map(({ isDiscarded }) => isDiscarded),
    new Date(storedAt),
    LIMITS.maxMailboxItemsPerDevice,
    LIMITS.maxMailboxBytesPerDevice,
  ]);
  if (rows.length < distinct.length) return undefined;
  const outcomes = rows.map(outcomeOf);
  const told = new Set<number>();
  return placeOf.map((place): AppendOutcome => {
    const outcome = outcomes[place] ?? { kind: 'no-mailbox' };
    const isFirst = !told.has(place);
    told.add(place);
    return isFirst || outcome.kind !== 'stored' ? outcome : { kind: 'duplicate', mark: outcome.mark };
  });
}

/** The database is asked to store each copy once; what is discarded is not compared with anything. */
function withoutRepetitions(copies: readonly MailboxCopy[]): {
  readonly distinct: readonly MailboxCopy[];
  /** Of each copy, its place among the distinct ones. */
  readonly placeOf: readonly number[];
} {
  const places = new Map<string, number>();
  const distinct: MailboxCopy[] = [];
  const placeOf = copies.map((copy) => {
    const key = copy.isDiscarded ? undefined : copyKey(copy);
    const known = key === undefined ? undefined : places.get(key);
    if (known !== undefined) return known;
    if (key !== undefined) places.set(key, distinct.length);
    return distinct.push(copy) - 1;
  });
  return { distinct, placeOf };
}

function outcomeOf({ found, position, is_new: isNew, since, request: isRequest }: Row): AppendOutcome {
  if (!found) return { kind: 'no-mailbox' };
  if (position === null) return { kind: 'discarded' };
  const mark = { cursor: Number(position), storedAt: since.getTime(), isRequest };
  return { kind: isNew ? 'stored' : 'duplicate', mark };
}
