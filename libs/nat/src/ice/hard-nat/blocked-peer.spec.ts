import { transportAddress } from '../../net/ip-address.ts';
import { nodeCrypto } from '../../node/node-crypto.ts';
import { seededCrypto } from '../../testing/seeded-crypto.ts';
import { instant, type Instant } from '../../time/instant.ts';
import type { CandidateBase, IceCandidate } from '../candidate.ts';
import { candidatePriority } from '../candidate-priority.ts';
import { encodeCheck } from '../connectivity-check.ts';
import { IceAgent } from '../ice-agent.ts';
import { newIceCredentials } from '../ice-credentials.ts';
import type { IceInput } from '../ice-io.ts';

const SOCKET: CandidateBase = { id: 'socket', kind: 'socket', family: 'ipv4' };
const HOST = transportAddress('10.9.0.2', 4000);

function candidateOf(kind: IceCandidate['kind'], address: string, port: number): IceCandidate {
  return {
    kind,
    address: transportAddress(address, port),
    priority: candidatePriority(kind, 65_535),
    foundation: kind,
  };
}

const PEER = {
  host: { ...candidateOf('host', HOST.address, HOST.port) },
  reflexive: candidateOf('serverReflexive', '203.0.113.9', 4001),
  relayed: candidateOf('relayed', '198.51.100.1', 50_000),
};

/** An agent with a mapping of its own that got an answer, and what it sends in the seconds after that. */
function answered(candidates: readonly IceCandidate[], observedAddresses?: readonly string[]) {
  const crypto = seededCrypto(1, nodeCrypto);
  const agent = new IceAgent({ crypto, role: 'controlling' });
  const credentials = newIceCredentials(seededCrypto(2, nodeCrypto));
  const sent: string[] = [];
  let now: Instant = instant(0);
  const perform = (outputs: ReturnType<IceAgent['handle']>) => {
    for (const output of outputs)
      if (output.kind === 'send') sent.push(`${output.to.address}:${String(output.to.port)}`);
  };
  const input = (given: IceInput) => perform(agent.handle(given, now));
  const advance = (until: number) => {
    for (let at = agent.nextTimeoutAt(); at !== undefined && at <= until; at = agent.nextTimeoutAt()) {
      now = instant(Math.max(at, now));
      perform(agent.handleTimeout(now));
    }
    now = instant(until);
  };
  for (const [kind, address] of [
    ['host', '10.0.0.2'],
    ['serverReflexive', '203.0.113.1'],
  ] as const) {
    input({ kind: 'local-candidate', candidate: { ...candidateOf(kind, address, 3000), base: SOCKET } });
  }
  const network = observedAddresses === undefined ? {} : { network: { observedAddresses } };
  input({ kind: 'remote-credentials', credentials, candidates, ...network });
  return { agent, credentials, sent, input, advance };
}

const host = `${HOST.address}:${String(HOST.port)}`;
const relayed = '198.51.100.1:50000';

describe('a peer without UDP', () => {
  it('gets checks at its relay only, and none at an address that nobody outside sees', () => {
    const { sent, advance } = answered([PEER.host, PEER.relayed]);
    advance(9_000);
    expect(sent).not.toContain(host);
    expect(sent).toContain(relayed);
  });

  it.each([
    ['a server saw it', [PEER.host, PEER.relayed, PEER.reflexive], undefined],
    ['the supernode observes it', [PEER.host, PEER.relayed], ['203.0.113.9']],
    ['it has no relay either', [PEER.host], undefined],
    ['its address is a public one', [candidateOf('host', '192.0.2.77', 4000), PEER.relayed], undefined],
  ])('is not meant where %s', (_name, candidates, observed) => {
    const { sent, advance } = answered(candidates, observed);
    advance(1000);
    expect(sent.some((to) => to.startsWith('10.9.0.2') || to.startsWith('192.0.2.77'))).toBe(true);
  });

  it('is looked for everywhere as soon as it has UDP after all', () => {
    const { sent, input, advance } = answered([PEER.host, PEER.relayed]);
    advance(2000);
    input({ kind: 'remote-candidate', candidate: PEER.reflexive });
    advance(3000);
    expect(sent).toContain('203.0.113.9:4001');
    expect(sent).toContain(host);
  });

  it('gets checks in our own network, where its own reach us', () => {
    const { agent, credentials, sent, input, advance } = answered([PEER.host, PEER.relayed]);
    advance(1000);
    const crypto = seededCrypto(3, nodeCrypto);
    const check = encodeCheck(
      {
        transactionId: crypto.randomBytes(12),
        local: credentials,
        remote: agent.localCredentials,
        claim: { role: 'controlled', tiebreaker: 1n },
        priority: 1,
        nomination: undefined,
      },
      crypto,
    );
    input({ kind: 'datagram', base: SOCKET, from: HOST, bytes: check });
    advance(1500);
    // The answer to it, and a check of ours.
    expect(sent.filter((to) => to === host).length).toBeGreaterThanOrEqual(2);
  });
});
