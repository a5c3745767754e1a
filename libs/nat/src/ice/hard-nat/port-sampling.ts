/**
 * Which port our own sequential NAT gave the mapping towards the peer. A throw-away socket asks a server right before our
 * check to the peer leaves and another one right after: the mapping in between has the port in between. It is told to the peer
 * as a candidate; other hosts behind the NAT rarely get a word in, and then there are a few candidates.
 */
import { sameTransportAddress, type TransportAddress } from '../../net/transport-address.ts';
import type { AgentContext } from '../agent-context.ts';
import { describeCandidate } from '../candidate.ts';
import { portAhead } from './port-sequences.ts';
import type { ProbeAttempt } from './probing-state.ts';

/** Mappings of other hosts that may lie between the samples; more would be guesswork. */
const MAX_BETWEEN = 8;

/** `send` makes the mapping; what the driver samples lies around it. */
export function sandwich(agent: AgentContext, send: () => void): void {
  const { probing } = agent;
  const before = probing.sampleCount + 1;
  const after = before + 1;
  probing.sampleCount = after;
  probing.sandwich = { before, after, beforeAddress: undefined, afterAddress: undefined };
  agent.emit({ kind: 'sample-port', sample: before });
  send();
  agent.emit({ kind: 'sample-port', sample: after });
}

export function receivePortSample(agent: AgentContext, sample: number, address: TransportAddress): void {
  const { sandwich: asked, attempt } = agent.probing;
  if (asked === undefined) return;
  if (sample === asked.before) asked.beforeAddress = address;
  else if (sample === asked.after) asked.afterAddress = address;
  const { beforeAddress, afterAddress } = asked;
  if (beforeAddress === undefined || afterAddress === undefined || attempt === undefined) return;
  agent.probing.sandwich = undefined;
  if (beforeAddress.address !== afterAddress.address) return;
  tell(agent, attempt, beforeAddress, afterAddress);
}

function tell(
  agent: AgentContext,
  { local }: ProbeAttempt,
  before: TransportAddress,
  after: TransportAddress,
): void {
  const step = agent.localNat?.portStep;
  if (step === undefined) return;
  const known = agent.local.all.find(
    ({ base, kind }) => base.id === local.base.id && kind === 'serverReflexive',
  );
  const like = describeCandidate(known ?? local);
  // Of its own, or its check would wait for the one to the mapping that the server sees.
  const foundation = `${like.foundation.slice(0, 31)}p`;
  for (let count = 1; count <= MAX_BETWEEN + 1; count += 1) {
    const address = { ...before, port: portAhead(before.port, step, count) };
    if (sameTransportAddress(address, after)) {
      for (let between = 1; between < count; between += 1) {
        const port = portAhead(before.port, step, between);
        agent.emit({
          kind: 'local-candidate',
          candidate: { ...like, kind: 'serverReflexive', foundation, address: { ...before, port } },
        });
      }
      return;
    }
  }
}
