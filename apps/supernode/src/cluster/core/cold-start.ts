/**
 * When all supernodes of a cluster were started anew, the roster still names their former runs. Who comes back first must not take
 * all slots, only to give them away again, and every client with them, when the others follow: whoever returns gets back what it
 * had, and the slots of the others wait for them for a short time.
 */
import type { Roster, Seat } from '../roster.ts';
import type { AssessedNode, Assessment } from './assessment.ts';
import type { ClusterSettings } from './cluster-settings.ts';

export interface ColdStart {
  /** Seats whose supernode runs again and may have them back. */
  readonly returned: readonly AssessedNode[];
  /** Seats whose supernode is awaited. */
  readonly awaited: readonly Seat[];
}

/**
 * Undefined where nobody is awaited: there was no roster, or somebody has been running for longer than returning takes. That one
 * either served before or has waited long enough, and losses are replaced at once again.
 */
export function coldStartOf(
  { nodes }: Assessment,
  roster: Roster,
  { coldStartMs }: Pick<ClusterSettings, 'coldStartMs'>,
): ColdStart | undefined {
  if (roster.seats.length === 0) return undefined;
  const listed = [...nodes.values()].filter(({ member }) => member.absentSince === undefined);
  // Beside others, who only relays neither served before nor can take over: how long it has been running says nothing.
  const servers = listed.filter(({ member }) => member.record.roles.includes('index'));
  const isFresh = (servers.length > 0 ? servers : listed).every(
    ({ member }) => member.record.uptimeMs < coldStartMs,
  );
  if (listed.length === 0 || !isFresh) return undefined;
  const returned: AssessedNode[] = [];
  const awaited: Seat[] = [];
  for (const seat of roster.seats) {
    const node = nodes.get(seat.nodeId);
    if (node !== undefined && mayHaveBack(node)) returned.push(node);
    else if (node?.seat === undefined || node.verdict === 'down') awaited.push(seat);
  }
  return returned.length + awaited.length === 0 ? undefined : { returned, awaited };
}

/** The seats with the new runs of those who returned. Weights stay, so that no slot moves. */
export function seatsWithReturned(roster: Roster, { returned }: ColdStart): Seat[] {
  const records = new Map(returned.map(({ member: { record } }) => [record.nodeId, record]));
  return roster.seats.map((seat) => {
    const record = records.get(seat.nodeId);
    if (record === undefined) return seat;
    const { incarnation, region, addresses } = record;
    return { ...seat, incarnation, region, addresses };
  });
}

/** It was vouched for when it got the seat, and those who could do that again are starting themselves. */
function mayHaveBack({ loss, objections }: AssessedNode): boolean {
  return loss === 'restarted' && objections.every((objection) => objection === 'unverified');
}
