import { Injectable } from '@nestjs/common';
import { z } from 'zod';
import type { AuditRecord } from '../admin/audit.ts';
import { packSlots, unpackSlots } from '../cluster/packed-slots.ts';
import type { DecisionReason } from '../cluster/core/decision.ts';
import type { ScoreTerms } from '../cluster/core/score.ts';
import { EMPTY_ROSTER, requireHigherEpoch, seatsSchema, type Roster } from '../cluster/roster.ts';
import {
  KEPT_DECISIONS,
  NO_CONTROLS,
  type ElectionControls,
  type RecordedDecision,
  type RosterReading,
  type RosterStore,
} from '../cluster/roster-store.port.ts';
import { SupernodeError } from '../errors.ts';
import { auditRow } from './audit-row.ts';
import { FrequentStatements } from './frequent-statements.ts';
import { PrismaService } from './prisma.service.ts';

/** One cluster, one row. */
const NAME = 'cluster';
const CONTROLS_KEY = 'election-controls';
/** Of the setting whose version counts the starts of all supernodes. */
export const INCARNATION_KEY = 'node-incarnation';

/** A coordinator that waits longer than that for the database may not act on what it hears. */
const TIMEOUT_MS = 2_000;

const controlsSchema = z.object({
  isFrozen: z.boolean(),
  pins: z.record(z.string(), z.enum(['active', 'standby'])),
});
/** What this application wrote; the reasons of a later version are shown as they are. */
const decisionSchema = z.object({
  at: z.date().transform((at) => at.getTime()),
  epoch: z.coerce.number(),
  coordinator: z.string(),
  action: z.enum(['promote', 'demote', 'weigh']),
  nodeId: z.string(),
  region: z.string(),
  reason: z.custom<DecisionReason>((reason) => typeof reason === 'string'),
  score: z.number().nullable(),
  terms: z.custom<ScoreTerms>((terms) => typeof terms === 'object').nullable(),
  detail: z.string(),
  movedSlots: z.int(),
});

/** One row always: the stored epoch, the roster where that is another one than the known, and the controls. */
const POLL = {
  name: 'roster-poll',
  text: `SELECT stored.epoch AS stored, r.epoch, coordinator, written_at, seats, owners, slot_epochs,
      (SELECT value FROM cluster_setting WHERE key = $3) AS controls
    FROM (SELECT coalesce((SELECT epoch FROM roster WHERE name = $1), 0) AS epoch) AS stored
    LEFT JOIN roster r ON r.name = $1 AND r.epoch <> $2::bigint`,
};

const DECISION_COLUMNS =
  'at, epoch, coordinator, action, node_id, region, reason, score, terms, detail, moved_slots';
const TOLD = `SELECT to_timestamp(d.at / 1000), d.epoch, d.coordinator, d.action, d."nodeId", d.region, d.reason, d.score,
    d.terms, d.detail, d."movedSlots"
  FROM jsonb_to_recordset($1::jsonb)
    AS d(at double precision, epoch bigint, coordinator text, action text, "nodeId" text, region text, reason text,
         score double precision, terms jsonb, detail text, "movedSlots" integer)`;
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
const DECISIONS = {
  name: 'decisions-read',
  text: `SELECT at, epoch, coordinator, action, node_id AS "nodeId", region, reason, score, terms, detail,
      moved_slots AS "movedSlots" FROM election_decision ORDER BY id DESC LIMIT $1`,
};

interface RosterRow {
  readonly epoch: string;
  readonly coordinator: string;
  readonly written_at: Date;
  readonly seats: unknown;
  readonly owners: Buffer;
  readonly slot_epochs: Buffer;
}

interface PollRow extends Omit<RosterRow, 'epoch'> {
  readonly stored: string;
  readonly epoch: string | null;
  readonly controls: unknown;
}

/** Roster and decisions in the database: consistent, and refused where it is out of reach. */
@Injectable()
export class PrismaRosterStore implements RosterStore {
  private readonly statements: FrequentStatements;

  constructor(private readonly prisma: PrismaService) {
    this.statements = new FrequentStatements(prisma.connections, TIMEOUT_MS);
  }

  async read(): Promise<Roster> {
    return (await this.poll(EMPTY_ROSTER.epoch)).roster ?? EMPTY_ROSTER;
  }

  async poll(knownEpoch: number): Promise<RosterReading> {
    const [row] = await this.statements.run<PollRow>(POLL, [NAME, knownEpoch, CONTROLS_KEY]);
    if (row === undefined) throw new SupernodeError('SN_INVARIANT', 'The roster was read without an answer.');
    const controls = controlsOf(row.controls);
    if (Number(row.stored) === knownEpoch) return { roster: undefined, controls };
    return { roster: row.epoch === null ? EMPTY_ROSTER : rosterOf({ ...row, epoch: row.epoch }), controls };
  }

  async replace(
    roster: Roster,
    expectedEpoch: number,
    decisions: readonly RecordedDecision[] = [],
  ): Promise<boolean> {
    requireHigherEpoch(roster, expectedEpoch);
    const { owners, slotEpochs } = packSlots(roster);
    const [outcome] = await this.statements.run<{ rows: number }>(REPLACE, [
      JSON.stringify(decisions),
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

  async decisions(limit: number): Promise<readonly RecordedDecision[]> {
    const rows = await this.statements.run(DECISIONS, [limit]);
    return z
      .array(decisionSchema)
      .parse(rows)
      .map((row) => ({ ...row, score: row.score ?? undefined, terms: row.terms ?? undefined }));
  }

  async controls(): Promise<ElectionControls> {
    return (await this.poll(EMPTY_ROSTER.epoch)).controls;
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
      const { isFrozen, pins } = change(controlsOf(row?.value));
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

/** Nothing before an operator decided anything. */
function controlsOf(stored: unknown): ElectionControls {
  return stored === null || stored === undefined ? NO_CONTROLS : controlsSchema.parse(stored);
}
