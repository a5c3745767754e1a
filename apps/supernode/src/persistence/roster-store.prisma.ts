import { Injectable } from '@nestjs/common';
import { z } from 'zod';
import type { AuditRecord } from '../admin/audit.ts';
import { packSlots, unpackSlots } from '../cluster/packed-slots.ts';
import { EMPTY_ROSTER, requireHigherEpoch, type Roster } from '../cluster/roster.ts';
import {
  KEPT_DECISIONS,
  NO_CONTROLS,
  type ElectionControls,
  type ElectionDecision,
  type RosterStore,
} from '../cluster/roster-store.port.ts';
import { auditRow } from './audit-row.ts';
import { FrequentStatements } from './frequent-statements.ts';
import { PrismaService } from './prisma.service.ts';

/** One cluster, one row. */
const NAME = 'cluster';
const CONTROLS_KEY = 'election-controls';
const INCARNATION_KEY = 'node-incarnation';

/** A coordinator that waits longer than that for the database may not act on what it hears. */
const TIMEOUT_MS = 2_000;

const seatsSchema = z.array(
  z.object({
    nodeId: z.string(),
    incarnation: z.int(),
    region: z.string(),
    addresses: z.object({ edge: z.string(), stun: z.string().nullable() }),
    weight: z.number(),
  }),
);
const controlsSchema = z.object({
  isFrozen: z.boolean(),
  pins: z.record(z.string(), z.enum(['active', 'standby'])),
});
const detailSchema = z.record(z.string(), z.union([z.number(), z.string(), z.boolean(), z.null()]));

const READ = {
  name: 'roster-read',
  text: 'SELECT epoch, coordinator, written_at, seats, owners, slot_epochs FROM roster WHERE name = $1 AND epoch > $2',
};

const DECISION_COLUMNS = 'at, epoch, coordinator, kind, node_id, reason, detail';
const TOLD = `SELECT to_timestamp(d.at / 1000), d.epoch, d.coordinator, d.kind, d.node_id, d.reason, d.detail
  FROM jsonb_to_recordset($1::jsonb)
    AS d(at double precision, epoch bigint, coordinator text, kind text, node_id text, reason text, detail jsonb)`;
const FORGET = `DELETE FROM election_decision WHERE id <= (SELECT max(id) FROM election_decision) - $2::bigint`;

/** One statement: the compare, the set, and what led to it. The first roster makes the row. */
const REPLACE = {
  name: 'roster-replace',
  text: `WITH written AS (
    INSERT INTO roster AS r (name, epoch, coordinator, written_at, seats, owners, slot_epochs)
    SELECT $3, $5::bigint, $6, to_timestamp($7::double precision / 1000), $8::jsonb, $9::bytea, $10::bytea
     WHERE $4::bigint = 0 OR EXISTS (SELECT FROM roster WHERE name = $3)
    ON CONFLICT (name) DO UPDATE SET epoch = excluded.epoch, coordinator = excluded.coordinator,
      written_at = excluded.written_at, seats = excluded.seats, owners = excluded.owners, slot_epochs = excluded.slot_epochs
     WHERE r.epoch = $4::bigint
    RETURNING 1),
  told AS (INSERT INTO election_decision (${DECISION_COLUMNS}) ${TOLD} WHERE EXISTS (SELECT FROM written)),
  forgotten AS (${FORGET} AND EXISTS (SELECT FROM written))
  SELECT count(*)::integer AS rows FROM written`,
};
const RECORD = {
  name: 'decisions-record',
  text: `WITH told AS (INSERT INTO election_decision (${DECISION_COLUMNS}) ${TOLD}) ${FORGET}`,
};
const DECISIONS = {
  name: 'decisions-read',
  text: `SELECT ${DECISION_COLUMNS} FROM election_decision ORDER BY id DESC LIMIT $1`,
};

interface RosterRow {
  readonly epoch: string;
  readonly coordinator: string;
  readonly written_at: Date;
  readonly seats: unknown;
  readonly owners: Buffer;
  readonly slot_epochs: Buffer;
}

interface DecisionRow {
  readonly at: Date;
  readonly epoch: string;
  readonly coordinator: string;
  readonly kind: string;
  readonly node_id: string | null;
  readonly reason: string;
  readonly detail: unknown;
}

/** Roster and decisions in the database: consistent, and refused where it is out of reach. */
@Injectable()
export class PrismaRosterStore implements RosterStore {
  private readonly statements: FrequentStatements;

  constructor(private readonly prisma: PrismaService) {
    this.statements = new FrequentStatements(prisma.connections, TIMEOUT_MS);
  }

  async read(): Promise<Roster> {
    return (await this.readNewer(EMPTY_ROSTER.epoch)) ?? EMPTY_ROSTER;
  }

  async readNewer(epoch: number): Promise<Roster | undefined> {
    const [row] = await this.statements.run<RosterRow>(READ, [NAME, epoch]);
    return row === undefined ? undefined : rosterOf(row);
  }

  async replace(
    roster: Roster,
    expectedEpoch: number,
    decisions: readonly ElectionDecision[] = [],
  ): Promise<boolean> {
    requireHigherEpoch(roster, expectedEpoch);
    const { owners, slotEpochs } = packSlots(roster);
    const [outcome] = await this.statements.run<{ rows: number }>(REPLACE, [
      told(decisions),
      KEPT_DECISIONS,
      NAME,
      expectedEpoch,
      roster.epoch,
      roster.coordinator,
      roster.writtenAt,
      JSON.stringify(roster.seats),
      Buffer.from(owners),
      Buffer.from(slotEpochs),
    ]);
    return outcome?.rows === 1;
  }

  async record(decisions: readonly ElectionDecision[]): Promise<void> {
    if (decisions.length === 0) return;
    await this.statements.run(RECORD, [told(decisions), KEPT_DECISIONS]);
  }

  async decisions(limit: number): Promise<readonly ElectionDecision[]> {
    const rows = await this.statements.run<DecisionRow>(DECISIONS, [limit]);
    return rows.map(decisionOf);
  }

  async controls(): Promise<ElectionControls> {
    const row = await this.prisma.clusterSetting.findUnique({ where: { key: CONTROLS_KEY } });
    return row === null ? NO_CONTROLS : controlsSchema.parse(row.value);
  }

  async changeControls(
    change: (controls: ElectionControls) => ElectionControls,
    audit: AuditRecord,
  ): Promise<ElectionControls> {
    return this.prisma.$transaction(async (transaction) => {
      // A first row for all who come at once, so that there is one to lock.
      await transaction.clusterSetting.createMany({
        data: [{ key: CONTROLS_KEY, value: { ...NO_CONTROLS } }],
        skipDuplicates: true,
      });
      const [row] = await transaction.$queryRaw<
        { value: unknown }[]
      >`SELECT value FROM cluster_setting WHERE key = ${CONTROLS_KEY} FOR UPDATE`;
      const { isFrozen, pins } = change(controlsSchema.parse(row?.value));
      await transaction.clusterSetting.update({
        where: { key: CONTROLS_KEY },
        data: { value: { isFrozen, pins: { ...pins } }, version: { increment: 1 } },
      });
      await transaction.auditEntry.create({ data: auditRow(audit) });
      return { isFrozen, pins };
    });
  }

  async nextIncarnation(): Promise<number> {
    const { version } = await this.prisma.clusterSetting.upsert({
      where: { key: INCARNATION_KEY },
      create: { key: INCARNATION_KEY, value: {} },
      update: { version: { increment: 1 } },
    });
    return version;
  }
}

function rosterOf(row: RosterRow): Roster {
  return {
    epoch: Number(row.epoch),
    coordinator: row.coordinator,
    writtenAt: row.written_at.getTime(),
    seats: seatsSchema.parse(row.seats),
    ...unpackSlots({ owners: row.owners, slotEpochs: row.slot_epochs }),
  };
}

/** All decisions as one parameter, since their number differs. */
function told(decisions: readonly ElectionDecision[]): string {
  return JSON.stringify(decisions.map(({ nodeId, ...rest }) => ({ ...rest, node_id: nodeId })));
}

function decisionOf({ at, epoch, node_id: nodeId, detail, ...rest }: DecisionRow): ElectionDecision {
  return { ...rest, at: at.getTime(), epoch: Number(epoch), nodeId, detail: detailSchema.parse(detail) };
}
