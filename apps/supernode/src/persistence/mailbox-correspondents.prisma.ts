import { Injectable } from '@nestjs/common';
import { deviceIdSchema } from '@parley/protocol';
import type { Side, Sides } from '../contacts/contact-transitions.ts';
import { userKey } from '../identity/caller.ts';
import type {
  Correspondence,
  CorrespondenceState,
  Correspondent,
  Correspondents,
} from '../messaging/correspondents.port.ts';
import { FrequentStatements } from './frequent-statements.ts';
import type { ContactState } from './generated/client.ts';
import { PrismaService } from './prisma.service.ts';

interface AccountRow {
  readonly tenant_id: string;
  readonly user_id: string;
  readonly list_version: number;
  readonly devices: readonly string[];
}

interface PairRow {
  readonly mine: ContactState | null;
  readonly theirs: ContactState | null;
  readonly requests: string;
  readonly others: string;
}

const SIDES: Record<ContactState, Side> = {
  pending_out: 'pending-out',
  pending_in: 'pending-in',
  accepted: 'accepted',
  blocked: 'blocked',
};

const NOBODY: CorrespondenceState = {
  sender: undefined,
  recipient: undefined,
  sides: { mine: 'none', theirs: 'none' },
  unread: { requests: 0, others: 0 },
};
const ACCOUNTS = {
  name: 'mailbox-accounts',
  text: `
    SELECT u.tenant_id, u.user_id,
           coalesce((SELECT max(version) FROM device_list l
                      WHERE l.tenant_id = u.tenant_id AND l.user_id = u.user_id), 0) AS list_version,
           ARRAY(SELECT device_id FROM device d
                  WHERE d.tenant_id = u.tenant_id AND d.user_id = u.user_id AND d.state = 'active') AS devices
      FROM unnest($1::text[], $2::text[]) AS named(tenant_id, user_id)
      JOIN user_account u USING (tenant_id, user_id)
     WHERE u.status = 'active'`,
};
/** Rows in the order of the pairs. Unread copies of strangers lie in few places: one sending and one receiving device each. */
const PAIRS = {
  name: 'mailbox-pairs',
  text: `
    SELECT mine.state AS mine, theirs.state AS theirs,
           coalesce(unread.requests, 0) AS requests, coalesce(unread.others, 0) AS others
      FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS named(tenant_id, sender, recipient, at)
      LEFT JOIN contact mine
        ON mine.tenant_id = named.tenant_id AND mine.owner_id = sender AND mine.peer_id = recipient
      LEFT JOIN contact theirs
        ON theirs.tenant_id = named.tenant_id AND theirs.owner_id = recipient AND theirs.peer_id = sender
      LEFT JOIN LATERAL (
        SELECT count(*) FILTER (WHERE c.is_request) AS requests, count(*) FILTER (WHERE NOT c.is_request) AS others
          FROM device r
          JOIN device s ON s.tenant_id = r.tenant_id AND s.user_id = named.sender
          JOIN mailbox_copy c
            ON c.tenant_id = r.tenant_id AND c.device_id = r.device_id AND c.sender_device_id = s.device_id
         WHERE r.tenant_id = named.tenant_id AND r.user_id = named.recipient AND named.sender <> named.recipient
           AND NOT (mine.state IS NOT DISTINCT FROM 'accepted' AND theirs.state IS NOT DISTINCT FROM 'accepted')
      ) AS unread ON true
     ORDER BY named.at`,
};

/** Accounts, contacts and unread copies of many pairs of users, with two statements; each pair is asked for once. */
@Injectable()
export class PrismaCorrespondents implements Correspondents {
  private readonly statements: FrequentStatements;

  constructor(prisma: PrismaService) {
    this.statements = new FrequentStatements(prisma.connections);
  }

  async find(pairs: readonly Correspondence[]): Promise<readonly CorrespondenceState[]> {
    const distinct = new Map(pairs.map((pair) => [pairKey(pair), pair]));
    const [accounts, rows] = await Promise.all([
      this.accounts([...distinct.values()]),
      this.pairs([...distinct.values()]),
    ]);
    const states = new Map(
      [...distinct].map(([key, { tenant, sender, recipient }], at): [string, CorrespondenceState] => {
        const row = rows[at];
        return [
          key,
          {
            sender: accounts.get(userKey(tenant, sender)),
            recipient: accounts.get(userKey(tenant, recipient)),
            sides: sidesOf(row),
            unread: { requests: Number(row?.requests ?? 0), others: Number(row?.others ?? 0) },
          },
        ];
      }),
    );
    return pairs.map((pair) => states.get(pairKey(pair)) ?? NOBODY);
  }

  private async accounts(pairs: readonly Correspondence[]): Promise<ReadonlyMap<string, Correspondent>> {
    const users = new Map(
      pairs.flatMap(({ tenant, sender, recipient }) =>
        [sender, recipient].map((userId) => [userKey(tenant, userId), { tenant, userId }] as const),
      ),
    );
    const named = [...users.values()];
    const rows = await this.statements.run<AccountRow>(ACCOUNTS, [
      named.map(({ tenant }) => tenant),
      named.map(({ userId }) => userId),
    ]);
    return new Map(
      rows.map((row) => [
        `${row.tenant_id} ${row.user_id}`,
        {
          listVersion: row.list_version,
          devices: new Set(row.devices.map((id) => deviceIdSchema.parse(id))),
        },
      ]),
    );
  }

  private pairs(pairs: readonly Correspondence[]): Promise<readonly PairRow[]> {
    return this.statements.run<PairRow>(PAIRS, [
      pairs.map(({ tenant }) => tenant),
      pairs.map(({ sender }) => sender),
      pairs.map(({ recipient }) => recipient),
    ]);
  }
}

/** User ids have no spaces. */
function pairKey({ tenant, sender, recipient }: Correspondence): string {
  return `${tenant} ${sender} ${recipient}`;
}

function sidesOf(row: PairRow | undefined): Sides {
  return { mine: sideOf(row?.mine), theirs: sideOf(row?.theirs) };
}

function sideOf(state: ContactState | null | undefined): Side {
  return state ? SIDES[state] : 'none';
}
