import { Injectable } from '@nestjs/common';
import {
  deviceIdSchema,
  messageIdSchema,
  tenantIdSchema,
  userIdSchema,
  type MailboxItem,
} from '@parley/protocol';
import {
  copyKey,
  mailboxKey,
  planAppends,
  type AppendPlan,
  type MailboxState,
} from '../messaging/mailbox-append-plan.ts';
import type {
  Acknowledgement,
  AppendOutcome,
  MailboxAddress,
  MailboxCopy,
  MailboxPage,
  MailboxStore,
  PageSize,
  StoredMark,
} from '../messaging/mailbox-store.port.ts';
import { FrequentStatements } from './frequent-statements.ts';
import type { Prisma } from './generated/client.ts';
import { appendAtOnce } from './mailbox-append.ts';
import { PrismaService } from './prisma.service.ts';

/** Together below the deadline of a request, so that a database that hangs is told as one that is away. */
const TRANSACTION = { maxWait: 4_000, timeout: 8_000 };
/** Mailboxes that one transaction of the retention looks after. */
const SWEEP_MAILBOXES = 200;

const ACKNOWLEDGE = {
  name: 'mailbox-acknowledge',
  text: 'SELECT mailbox_acknowledge($1::text[], $2::text[], $3::bigint[]) AS count',
};
/** The sum of sizes is taken before the copies are fetched: a page of large ones must not load them all. */
const READ = {
  name: 'mailbox-read',
  text: `
    WITH next AS (
      SELECT cursor, sum(octet_length(sealed)) OVER (ORDER BY cursor) AS bytes,
             row_number() OVER (ORDER BY cursor) AS place, count(*) OVER () AS found
        FROM (SELECT cursor, sealed FROM mailbox_copy
               WHERE tenant_id = $1 AND device_id = $2 AND cursor > $3::bigint
               ORDER BY cursor LIMIT $4::integer + 1) AS window_of_copies)
    SELECT m.dropped_through, next.found - count(next.cursor) OVER () AS remaining, c.cursor, c.sender_user_id,
           c.sender_device_id, c.message_id, c.scheme, c.sealed, c.is_request, c.stored_at
      FROM mailbox m
      LEFT JOIN next ON next.place = 1 OR (next.place <= $4::integer AND next.bytes <= $5::bigint)
      LEFT JOIN mailbox_copy c
        ON c.tenant_id = m.tenant_id AND c.device_id = m.device_id AND c.cursor = next.cursor
     WHERE m.tenant_id = $1 AND m.device_id = $2
     ORDER BY c.cursor`,
};

interface StateRow {
  readonly tenant_id: string;
  readonly device_id: string;
  readonly last_cursor: bigint;
  readonly item_count: number;
  readonly byte_count: bigint;
}

/** As the driver gives it: integers of 64 bits are text. */
interface CopyRow {
  readonly cursor: string;
  readonly sender_user_id: string;
  readonly sender_device_id: string;
  readonly message_id: string;
  readonly scheme: string;
  readonly sealed: Buffer;
  readonly is_request: boolean;
  readonly stored_at: Date;
}

/** A copy, or the one row without any that an empty page has. */
type PageRow = { readonly [Column in keyof CopyRow]: CopyRow[Column] | null } & {
  readonly dropped_through: string;
  readonly remaining: string | null;
};

/**
 * Mailboxes in PostgreSQL. Whoever changes one holds the lock of its row until the commit, so that cursors become visible
 * in order whichever supernode writes; rows are locked in one order everywhere, so that two writers never wait for each other.
 */
@Injectable()
export class PrismaMailboxStore implements MailboxStore {
  private readonly statements: FrequentStatements;

  constructor(private readonly prisma: PrismaService) {
    this.statements = new FrequentStatements(prisma.connections);
  }

  /** In one round trip, but for the rare batch that may exceed a quota. */
  async append(copies: readonly MailboxCopy[], storedAt: number): Promise<readonly AppendOutcome[]> {
    return (await appendAtOnce(this.statements, copies, storedAt)) ?? this.appendOneByOne(copies, storedAt);
  }

  private appendOneByOne(
    copies: readonly MailboxCopy[],
    storedAt: number,
  ): Promise<readonly AppendOutcome[]> {
    return this.prisma.$transaction(async (transaction) => {
      const states = await lock(transaction, copies);
      const plan = planAppends(copies, states, await existing(transaction, copies), storedAt);
      await write(transaction, plan, new Date(storedAt));
      return plan.outcomes;
    }, TRANSACTION);
  }

  async read(mailbox: MailboxAddress, after: number, size: PageSize): Promise<MailboxPage | undefined> {
    const { tenant, deviceId } = mailbox;
    const rows = await this.statements.run<PageRow>(READ, [tenant, deviceId, after, size.items, size.bytes]);
    const [first] = rows;
    if (!first) return undefined;
    return {
      items: rows.filter(isCopy).map(toItem),
      hasMore: Number(first.remaining) > 0,
      droppedThrough: Number(first.dropped_through),
    };
  }

  async acknowledge(acknowledgements: readonly Acknowledgement[]): Promise<number> {
    const named = acknowledgements.flatMap(({ tenant, deviceId, cursors }) =>
      cursors.map((cursor) => ({ tenant, deviceId, cursor })),
    );
    const [row] = await this.statements.run<{ readonly count: string }>(ACKNOWLEDGE, [
      named.map(({ tenant }) => tenant),
      named.map(({ deviceId }) => deviceId),
      named.map(({ cursor }) => cursor),
    ]);
    return Number(row?.count ?? 0);
  }

  async dropExpired(storedBefore: number): Promise<number> {
    const before = new Date(storedBefore);
    let dropped = 0;
    for (;;) {
      const mailboxes = await this.withExpired(before);
      if (mailboxes.length === 0) return dropped;
      dropped += await this.dropFrom(mailboxes, before);
    }
  }

  /** By the first copy of each mailbox: they lie in the order of their age, and a full one is not read through. */
  private async withExpired(before: Date): Promise<readonly MailboxAddress[]> {
    const rows = await this.prisma.$queryRaw<Pick<StateRow, 'tenant_id' | 'device_id'>[]>`
      SELECT m.tenant_id, m.device_id FROM mailbox m
       WHERE m.item_count > 0 AND (
         SELECT stored_at FROM mailbox_copy c
          WHERE c.tenant_id = m.tenant_id AND c.device_id = m.device_id ORDER BY cursor LIMIT 1) < ${before}
       LIMIT ${SWEEP_MAILBOXES}`;
    return rows.map(toAddress);
  }

  private async dropFrom(mailboxes: readonly MailboxAddress[], before: Date): Promise<number> {
    return this.prisma.$transaction(async (transaction) => {
      await lock(transaction, mailboxes);
      const [row] = await transaction.$queryRaw<{ count: bigint }[]>`
        WITH gone AS (
          DELETE FROM mailbox_copy c
           USING unnest(${mailboxes.map(({ tenant }) => tenant)}::text[],
                        ${mailboxes.map(({ deviceId }) => deviceId)}::text[]) AS named(tenant_id, device_id)
           WHERE c.tenant_id = named.tenant_id AND c.device_id = named.device_id AND c.stored_at < ${before}
          RETURNING c.tenant_id, c.device_id, c.cursor, octet_length(c.sealed) AS bytes),
        freed AS (
          UPDATE mailbox m SET item_count = m.item_count - g.items, byte_count = m.byte_count - g.bytes,
                               dropped_through = greatest(m.dropped_through, g.newest)
            FROM (SELECT tenant_id, device_id, count(*) AS items, sum(bytes) AS bytes, max(cursor) AS newest
                    FROM gone GROUP BY 1, 2) AS g
           WHERE m.tenant_id = g.tenant_id AND m.device_id = g.device_id)
        SELECT count(*) AS count FROM gone`;
      return Number(row?.count ?? 0);
    }, TRANSACTION);
  }
}

/** Locks mailboxes until the transaction ends, and gives the counters of those that exist. */
async function lock(
  transaction: Prisma.TransactionClient,
  mailboxes: readonly MailboxAddress[],
): Promise<Map<string, MailboxState>> {
  const rows = await transaction.$queryRaw<StateRow[]>`
    SELECT tenant_id, device_id, last_cursor, item_count, byte_count FROM mailbox
     WHERE (tenant_id, device_id) IN (
       SELECT * FROM unnest(${mailboxes.map(({ tenant }) => tenant)}::text[],
                            ${mailboxes.map(({ deviceId }) => deviceId)}::text[]))
     ORDER BY tenant_id, device_id
       FOR UPDATE`;
  return new Map(
    rows.map((row) => [
      mailboxKey(toAddress(row)),
      { lastCursor: Number(row.last_cursor), items: row.item_count, bytes: Number(row.byte_count) },
    ]),
  );
}

/** Those copies that are stored, by their key. A statement of its own, so that it sees what was committed before the lock. */
async function existing(
  transaction: Prisma.TransactionClient,
  copies: readonly MailboxCopy[],
): Promise<ReadonlyMap<string, StoredMark>> {
  const rows = await transaction.$queryRaw<
    (Pick<CopyRow, 'stored_at' | 'is_request'> & { cursor: bigint; at: bigint })[]
  >`
    SELECT named.at, c.cursor, c.stored_at, c.is_request
      FROM unnest(${copies.map(({ tenant }) => tenant)}::text[], ${copies.map(({ deviceId }) => deviceId)}::text[],
                  ${copies.map(({ from }) => from.deviceId)}::text[], ${copies.map(({ messageId }) => messageId)}::text[])
           WITH ORDINALITY AS named(tenant_id, device_id, sender_device_id, message_id, at)
      JOIN mailbox_copy c USING (tenant_id, device_id, sender_device_id, message_id)`;
  const marks = new Map<string, StoredMark>();
  for (const { at, cursor, stored_at: storedAt, is_request: isRequest } of rows) {
    const copy = copies[Number(at) - 1];
    if (copy) marks.set(copyKey(copy), { cursor: Number(cursor), storedAt: storedAt.getTime(), isRequest });
  }
  return marks;
}

/** Writes the placed copies and the counters. Locked rows are written even where nothing was placed: it takes as long. */
async function write(transaction: Prisma.TransactionClient, plan: AppendPlan, storedAt: Date): Promise<void> {
  const copies = plan.placed.map(({ copy, cursor }) => ({
    t: copy.tenant,
    d: copy.deviceId,
    c: cursor,
    u: copy.from.userId,
    s: copy.from.deviceId,
    m: copy.messageId,
    e: copy.envelope.scheme,
    b: Buffer.from(copy.envelope.sealed, 'base64url').toString('base64'),
    r: copy.isRequest,
  }));
  const mailboxes = [...plan.states].map(([key, { lastCursor, items, bytes }]) => {
    const [t, d] = key.split(' ');
    return { t, d, l: lastCursor, i: items, b: bytes };
  });
  await transaction.$executeRaw`
    WITH stored AS (
      INSERT INTO mailbox_copy (tenant_id, device_id, cursor, sender_user_id, sender_device_id, message_id, scheme, sealed,
                                is_request, stored_at)
      SELECT t, d, c, u, s, m, e, decode(b, 'base64'), r, ${storedAt}::timestamptz
        FROM json_to_recordset(${JSON.stringify(copies)}::json)
          AS copy(t text, d text, c bigint, u text, s text, m text, e text, b text, r boolean))
    UPDATE mailbox SET last_cursor = l, item_count = i, byte_count = b
      FROM json_to_recordset(${JSON.stringify(mailboxes)}::json) AS state(t text, d text, l bigint, i integer, b bigint)
     WHERE tenant_id = t AND device_id = d`;
}

function isCopy(row: PageRow): row is PageRow & CopyRow {
  return row.cursor !== null;
}

function toItem(row: CopyRow): MailboxItem {
  return {
    cursor: Number(row.cursor),
    messageId: messageIdSchema.parse(row.message_id),
    from: {
      userId: userIdSchema.parse(row.sender_user_id),
      deviceId: deviceIdSchema.parse(row.sender_device_id),
    },
    envelope: { scheme: row.scheme, sealed: row.sealed.toString('base64url') },
    storedAt: row.stored_at.getTime(),
    isRequest: row.is_request,
  };
}

function toAddress(row: Pick<StateRow, 'tenant_id' | 'device_id'>): MailboxAddress {
  return { tenant: tenantIdSchema.parse(row.tenant_id), deviceId: deviceIdSchema.parse(row.device_id) };
}
