import type { DatabaseConnection } from './postgres-server.ts';

export const SLOT_COUNT = 4096;
const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

export interface ObservedSeat {
  readonly nodeId: string;
  readonly incarnation: number;
  readonly addresses: { readonly edge: string };
  readonly weight: number;
}

/** The roster as the database holds it. */
export interface ObservedRoster {
  readonly epoch: number;
  readonly coordinator: string;
  readonly seats: readonly ObservedSeat[];
  /** For each slot an index into `seats`. */
  readonly owners: readonly number[];
  /** For each slot the roster epoch since which its owner has it. */
  readonly slotEpochs: readonly number[];
}

interface RosterRow {
  readonly epoch: string;
  readonly coordinator: string;
  readonly seats: readonly ObservedSeat[];
  readonly owners: Uint8Array;
  readonly slot_epochs: Uint8Array;
}

/** The roster, where its epoch is higher than `epoch`. */
export async function readRoster(
  database: DatabaseConnection,
  epoch = -1,
): Promise<ObservedRoster | undefined> {
  const { rows } = await database.query('SELECT * FROM roster WHERE epoch > $1', [epoch]);
  const [row] = rows as readonly RosterRow[];
  if (!row) return undefined;
  const owners = new Uint16Array(new Uint8Array(row.owners).buffer);
  const slotEpochs = new Uint32Array(new Uint8Array(row.slot_epochs).buffer);
  return {
    epoch: Number(row.epoch),
    coordinator: row.coordinator,
    seats: row.seats,
    owners: [...owners],
    slotEpochs: [...slotEpochs],
  };
}

/** Written down here once more: a supernode that counted slots in another way would give users to others in an upgrade. */
export function slotOf(tenant: string, userId: string): number {
  let hash = FNV_OFFSET;
  for (const unit of `${tenant} ${userId}`) hash = Math.imul(hash ^ unit.charCodeAt(0), FNV_PRIME);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) % SLOT_COUNT;
}

/** Who owns a user; undefined while nobody does. */
export function homeOf(roster: ObservedRoster, userId: string, tenant = 'default'): ObservedSeat | undefined {
  const index = roster.owners[slotOf(tenant, userId)];
  return index === undefined ? undefined : roster.seats[index];
}
