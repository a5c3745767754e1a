import { COORDINATION_TRANSITIONS } from '../coordination.ts';
import { LIFECYCLE } from '../node-lifecycle.ts';
import { STANDING_TRANSITIONS } from '../standing.ts';

type Table = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** A table as a Mermaid state diagram; causes between the same two states share an arrow. */
function diagram(start: string, table: Table): string {
  const lines = ['stateDiagram-v2', `  [*] --> ${start}`];
  for (const [from, exits] of Object.entries(table)) {
    const causesTo = new Map<string, string[]>();
    for (const [cause, to] of Object.entries(exits)) causesTo.set(to, [...(causesTo.get(to) ?? []), cause]);
    for (const [to, causes] of causesTo) lines.push(`  ${from} --> ${to}: ${causes.join(', ')}`);
    if (causesTo.size === 0) lines.push(`  ${from} --> [*]`);
  }
  return lines.join('\n');
}

export const TABLES = {
  lifecycle: { start: 'joining', table: LIFECYCLE },
  coordination: { start: 'following', table: COORDINATION_TRANSITIONS },
  standing: { start: 'suspended', table: STANDING_TRANSITIONS },
} as const satisfies Record<string, { readonly start: string; readonly table: Table }>;

/** The pictures of docs/architecture/cluster.md, in their order there. */
export function clusterDiagrams(): string[] {
  return Object.values(TABLES).map(({ start, table }) => {
    // State diagrams allow no hyphen in the name of a state.
    return diagram(start, table).replaceAll('connected-only', 'connected_only');
  });
}
