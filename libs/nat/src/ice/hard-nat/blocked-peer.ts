/**
 * A peer whose network lets no UDP out: it has a relay, reached through a stream, and no address that any server saw. Checks to
 * its private addresses can arrive only in our own network; there its checks reach us, and ours answer them.
 */
import { parseIpAddress } from '../../net/ip-address.ts';
import { ipPrefix, prefixContains } from '../../turn/policy/ip-prefix.ts';
import type { AgentContext } from '../agent-context.ts';
import type { CandidatePair } from '../candidate-pair.ts';
import { failPair } from '../pairing.ts';

/** RFC 1918, RFC 6598 and RFC 4193: of use in one network only. */
const PRIVATE = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', 'fc00::/7'].map(ipPrefix);

/** Gives such pairs up, and takes them up again where the peer turns out to have UDP. */
export function considerBlockedPeer(agent: AgentContext): void {
  const isBlocked = isPeerBlocked(agent);
  for (const pair of agent.checklist.pairs) {
    if (isBlocked) {
      if (!pair.isRequestedByPeer && isOpen(pair) && isToPrivateHost(pair)) failPair(agent, pair, 'hopeless');
    } else if (pair.cause === 'hopeless' && pair.state === 'failed' && isToPrivateHost(pair)) {
      pair.transition('waiting', 'sought-again');
    }
  }
}

/** Where we have no reflexive address ourselves nothing is known: both may be in one network without a server. */
function isPeerBlocked({ local, remote, remoteNetwork }: AgentContext): boolean {
  if ((remoteNetwork.observedAddresses ?? []).length > 0) return false;
  if (!local.all.some(({ kind }) => kind === 'serverReflexive')) return false;
  const candidates = [...remote.values()];
  return (
    candidates.some(({ kind }) => kind === 'relayed') &&
    !candidates.some(({ kind }) => kind === 'serverReflexive')
  );
}

function isToPrivateHost({ base, remote }: CandidatePair): boolean {
  if (base.kind !== 'socket' || remote.kind !== 'host') return false;
  const bytes = parseIpAddress(remote.address.address);
  return bytes !== undefined && PRIVATE.some((prefix) => prefixContains(prefix, bytes));
}

function isOpen({ state }: CandidatePair): boolean {
  return state === 'frozen' || state === 'waiting' || state === 'in-progress';
}
