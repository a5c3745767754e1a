import { Injectable } from '@nestjs/common';
import { handleSchema, userIdSchema, type Contact, type TenantId, type UserId } from '@parley/protocol';
import type { ContactBook, ContactChange, DeviceListVersion } from '../contacts/contact-book.port.ts';
import type { Side, Sides } from '../contacts/contact-transitions.ts';
import { FrequentStatements } from './frequent-statements.ts';
import { Prisma, type ContactState } from './generated/client.ts';
import { PrismaService } from './prisma.service.ts';

const WITH_PEER = { peer: { select: { handle: true, displayName: true } } } as const;

type Row = Pick<
  Prisma.ContactGetPayload<{ include: typeof WITH_PEER }>,
  'peerId' | 'state' | 'updatedAt' | 'peer'
>;

type ListedRow = Omit<Row, 'peer'> & Row['peer'];

interface PeerRow {
  readonly peer: string;
}

interface VersionRow {
  readonly peer: string;
  readonly version: number;
}

const LIST = {
  name: 'contacts',
  text: `
    SELECT contact.peer_id AS "peerId", contact.state, contact.updated_at AS "updatedAt",
           peer.handle, peer.display_name AS "displayName"
      FROM contact
      JOIN user_account peer ON peer.tenant_id = contact.tenant_id AND peer.user_id = contact.peer_id
     WHERE contact.tenant_id = $1 AND contact.owner_id = $2
     ORDER BY contact.peer_id`,
};

const MUTUAL_TEXT = `
    SELECT mine.peer_id AS peer
      FROM contact mine
      JOIN contact theirs
        ON theirs.tenant_id = mine.tenant_id AND theirs.owner_id = mine.peer_id AND theirs.peer_id = mine.owner_id
     WHERE mine.tenant_id = $1 AND mine.owner_id = $2 AND mine.state = 'accepted' AND theirs.state = 'accepted'`;

const MUTUAL = { name: 'mutual-contacts', text: MUTUAL_TEXT };

/** Every presence that somebody is shown or told of asks for it. */
const MUTUAL_AMONG = {
  name: 'mutual-contacts-among',
  text: `${MUTUAL_TEXT} AND mine.peer_id = ANY($3::text[])`,
};

const LIST_VERSIONS = {
  name: 'contact-list-versions',
  text: `
    SELECT contact.peer_id AS peer, max(list.version) AS version
      FROM contact
      JOIN device_list list ON list.tenant_id = contact.tenant_id AND list.user_id = contact.peer_id
     WHERE contact.tenant_id = $1 AND contact.owner_id = $2 AND contact.state = 'accepted'
     GROUP BY contact.peer_id`,
};

const TO_WIRE: Record<ContactState, Contact['state']> = {
  pending_out: 'pending-out',
  pending_in: 'pending-in',
  accepted: 'accepted',
  blocked: 'blocked',
};

const TO_ROW: Record<Exclude<Side, 'none'>, ContactState> = {
  'pending-out': 'pending_out',
  'pending-in': 'pending_in',
  accepted: 'accepted',
  blocked: 'blocked',
};

/** Contacts in PostgreSQL: two rows a pair, one for what each user decided. */
@Injectable()
export class PrismaContactBook implements ContactBook {
  private readonly statements: FrequentStatements;

  constructor(private readonly prisma: PrismaService) {
    this.statements = new FrequentStatements(prisma.connections);
  }

  async list(tenant: TenantId, owner: UserId): Promise<readonly Contact[]> {
    const rows = await this.statements.run<ListedRow>(LIST, [tenant, owner]);
    return rows.map(({ handle, displayName, ...row }) =>
      toContact({ ...row, peer: { handle, displayName } }),
    );
  }

  async relations(
    tenant: TenantId,
    owner: UserId,
    peers: readonly UserId[],
  ): Promise<ReadonlyMap<UserId, Sides>> {
    const others = [...peers];
    const rows = await this.prisma.contact.findMany({
      where: {
        tenantId: tenant,
        OR: [
          { ownerId: owner, peerId: { in: others } },
          { peerId: owner, ownerId: { in: others } },
        ],
      },
      select: { ownerId: true, peerId: true, state: true },
    });
    const relations = new Map<UserId, Sides>();
    for (const row of rows) {
      const isMine = row.ownerId === owner;
      const peer = userIdSchema.parse(isMine ? row.peerId : row.ownerId);
      const known = relations.get(peer) ?? { mine: 'none', theirs: 'none' };
      relations.set(peer, { ...known, [isMine ? 'mine' : 'theirs']: TO_WIRE[row.state] });
    }
    return relations;
  }

  countOf(tenant: TenantId, owner: UserId, states: readonly Side[]): Promise<number> {
    const wanted = states.filter((side) => side !== 'none').map((side) => TO_ROW[side]);
    return this.prisma.contact.count({ where: { tenantId: tenant, ownerId: owner, state: { in: wanted } } });
  }

  async mutualContacts(
    tenant: TenantId,
    user: UserId,
    among?: readonly UserId[],
  ): Promise<readonly UserId[]> {
    const rows = await (among
      ? this.statements.run<PeerRow>(MUTUAL_AMONG, [tenant, user, among])
      : this.statements.run<PeerRow>(MUTUAL, [tenant, user]));
    return rows.map(({ peer }) => userIdSchema.parse(peer));
  }

  async deviceListVersions(tenant: TenantId, owner: UserId): Promise<readonly DeviceListVersion[]> {
    const rows = await this.statements.run<VersionRow>(LIST_VERSIONS, [tenant, owner]);
    return rows.map(({ peer, version }) => ({ userId: userIdSchema.parse(peer), version }));
  }

  async change(
    tenant: TenantId,
    owner: UserId,
    peer: UserId,
    decide: (sides: Sides) => Sides | undefined,
  ): Promise<ContactChange | 'no-account' | 'refused'> {
    return this.prisma.$transaction(async (transaction) => {
      // Rows that do not exist yet can't be locked: the pair is, in one order for both directions.
      const pair = [tenant, ...[owner, peer].sort()].join(' ');
      await transaction.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended(${pair}, 0))`;
      const isAccount = await transaction.user.count({
        where: { tenantId: tenant, userId: peer, status: 'active' },
      });
      if (isAccount === 0) return 'no-account';
      const before = {
        mine: sideOf(await readRow(transaction, tenant, owner, peer)),
        theirs: sideOf(await readRow(transaction, tenant, peer, owner)),
      };
      const after = decide(before);
      if (!after) return 'refused';
      if (after.mine !== before.mine) await writeSide(transaction, tenant, owner, peer, after.mine);
      if (after.theirs !== before.theirs) await writeSide(transaction, tenant, peer, owner, after.theirs);
      const mine = await readRow(transaction, tenant, owner, peer);
      const theirs = await readRow(transaction, tenant, peer, owner);
      return { before, after, mine: mine && toContact(mine), theirs: theirs && toContact(theirs) };
    });
  }
}

function readRow(
  db: Prisma.TransactionClient,
  tenantId: string,
  ownerId: string,
  peerId: string,
): Promise<Row | null> {
  return db.contact.findUnique({
    where: { tenantId_ownerId_peerId: { tenantId, ownerId, peerId } },
    include: WITH_PEER,
  });
}

async function writeSide(
  db: Prisma.TransactionClient,
  tenantId: string,
  ownerId: string,
  peerId: string,
  side: Side,
): Promise<void> {
  if (side === 'none') {
    await db.contact.deleteMany({ where: { tenantId, ownerId, peerId } });
    return;
  }
  const state = TO_ROW[side];
  const acceptedAt = side === 'accepted' ? new Date() : null;
  await db.contact.upsert({
    where: { tenantId_ownerId_peerId: { tenantId, ownerId, peerId } },
    create: { tenantId, ownerId, peerId, state, acceptedAt },
    update: { state, acceptedAt },
  });
}

function sideOf(row: Row | null): Side {
  return row ? TO_WIRE[row.state] : 'none';
}

function toContact(row: Row): Contact {
  return {
    userId: userIdSchema.parse(row.peerId),
    handle: row.peer.handle === null ? null : handleSchema.parse(row.peer.handle),
    displayName: row.peer.displayName,
    state: TO_WIRE[row.state],
    since: row.updatedAt.getTime(),
  };
}
