/**
 * Sockets beside the main one. A side whose NAT gives every mapping a random port opens many towards a peer with a stable
 * mapping, which guesses: the chance that one guess meets one of them grows with both numbers. The one that is met becomes the
 * base of a peer-reflexive pair (RFC 8445 section 7.3.1.3) and stays open as long as a pair uses it.
 */
import type { AgentContext } from '../agent-context.ts';
import type { CandidateBase, LocalCandidate } from '../candidate.ts';

export function openExtraSockets(
  agent: AgentContext,
  like: CandidateBase,
  count: number,
): readonly CandidateBase[] {
  const { probing, counters, localCredentials } = agent;
  const bases: CandidateBase[] = [];
  for (let opened = 0; opened < count; opened += 1) {
    probing.extraSocketCount += 1;
    // The fragment keeps agents of one endpoint apart.
    const id = `extra-${localCredentials.ufrag}-${probing.extraSocketCount}`;
    bases.push({ id, kind: 'socket', family: like.family });
  }
  for (const base of bases) probing.extraSockets.set(base.id, base);
  counters.extraSocketsOpened += bases.length;
  agent.emit({ kind: 'open-sockets', bases });
  return bases;
}

/** The peer was heard at the socket: from now on it is the base of a candidate, which nobody is told. */
export function adoptExtraSocket(agent: AgentContext, base: CandidateBase): LocalCandidate | undefined {
  const { probing, local } = agent;
  const known = probing.adopted.get(base.id);
  if (known !== undefined || !probing.extraSockets.has(base.id)) return known;
  const main = local
    .representatives()
    .find((candidate) => candidate.base.kind === 'socket' && candidate.base.family === base.family);
  if (main === undefined) return undefined;
  const candidate: LocalCandidate = {
    kind: 'peerReflexive',
    // What its mapping is only the peer knows; the answer to the first check says it.
    address: { ...main.address, port: 0 },
    priority: main.priority,
    foundation: base.id.slice(-32).replaceAll('-', '/'),
    base,
  };
  probing.adopted.set(base.id, candidate);
  return candidate;
}

/** Closes the sockets on which the peer was not heard. */
export function closeUnmetSockets(agent: AgentContext): void {
  closeSockets(agent, (id) => !agent.probing.adopted.has(id));
}

/** Closes adopted sockets that no living pair has as its base. */
export function releaseAdoptedSockets(agent: AgentContext): void {
  const { probing, checklist, current } = agent;
  if (probing.adopted.size === 0) return;
  const used = new Set<string>();
  if (current !== undefined) used.add(current.pair.base.id);
  for (const { base, state } of checklist.pairs) if (state !== 'failed') used.add(base.id);
  closeSockets(agent, (id) => probing.adopted.has(id) && !used.has(id));
}

export function closeAllExtraSockets(agent: AgentContext): void {
  closeSockets(agent, () => true);
}

/** The driver could not open it, or it broke. */
export function forgetExtraSocket(agent: AgentContext, base: CandidateBase): void {
  agent.probing.extraSockets.delete(base.id);
  agent.probing.adopted.delete(base.id);
}

function closeSockets(agent: AgentContext, isUnwanted: (id: string) => boolean): void {
  const { probing, checklist } = agent;
  const bases = [...probing.extraSockets.values()].filter(({ id }) => isUnwanted(id));
  if (bases.length === 0) return;
  for (const base of bases) forgetExtraSocket(agent, base);
  const closed = new Set(bases.map(({ id }) => id));
  for (const pair of checklist.pairs.filter((candidate) => closed.has(candidate.base.id)))
    checklist.remove(pair);
  agent.emit({ kind: 'close-sockets', bases });
}
