import { Buffer } from 'node:buffer';
import { afterEach, describe, expect, it } from '@jest/globals';
import { transportAddress, type IceCandidate } from '@parley/nat';
import { nodeCrypto, UdpEndpoint, type IcePath } from '@parley/nat/node';
import { Candidate, Connection } from 'werift-ice';

/** Any that says that the datagram is of a session, not STUN (RFC 7983). */
const DATA_BYTE = 0x40;
const TYPES = { host: 'host', srflx: 'serverReflexive', prflx: 'peerReflexive', relay: 'relayed' } as const;

describe('werift, another implementation of ICE (RFC 8445)', () => {
  let endpoint: UdpEndpoint | undefined;
  let werift: Connection | undefined;

  afterEach(async () => {
    await werift?.close();
    await endpoint?.close();
  });

  /** Both ends know each other's credentials and candidates; checks of ours run. */
  async function acquainted(ourRole: 'controlling' | 'controlled', isTheirsControlling: boolean) {
    endpoint = await UdpEndpoint.open({
      crypto: nodeCrypto,
      demultiplex: () => 'session',
      bind: { ipv4: { address: '127.0.0.1' }, ipv6: false },
      includeLoopback: true,
    });
    await endpoint.gather({ timeoutMs: 1_000 });
    const path = endpoint.createPath({ role: ourRole, dataKey: 'session', policy: 'direct-only' });
    // Loopback only: other tests give the machine addresses and take them away, and an answer then comes from another one.
    const theirs = new Connection(isTheirsControlling, {
      useIpv4: false,
      useIpv6: false,
      additionalHostAddresses: ['127.0.0.1'],
    });
    werift = theirs;
    await theirs.gatherCandidates();
    expect(theirs.localCandidates.map(({ host }) => host)).toEqual(['127.0.0.1']);
    const { ufrag, pwd } = path.localCredentials;
    theirs.setRemoteParams({ iceLite: false, usernameFragment: ufrag, password: pwd });
    for (const candidate of path.localCandidates()) await theirs.addRemoteCandidate(forWerift(candidate));
    await theirs.addRemoteCandidate(undefined);
    path.setRemote(
      { ufrag: theirs.localUsername, pwd: theirs.localPassword },
      theirs.localCandidates.map(fromWerift),
    );
    path.endOfCandidates();
    return { path, theirs };
  }

  it.each([
    ['controlling', 'controlled'],
    ['controlled', 'controlling'],
    // RFC 8445 section 7.3.1.1: the tiebreakers decide
    ['controlling', 'controlling'],
    ['controlled', 'controlled'],
  ] as const)('is checked and nominated, and data flows: ours %s, theirs %s', async (ours, weriftRole) => {
    const { path, theirs } = await acquainted(ours, weriftRole === 'controlling');
    const direct = untilDirect(path);

    await Promise.all([theirs.connect(), direct]);
    const [atOurs, atTheirs] = [nextData(path), nextOf(theirs)];
    await theirs.send(Buffer.of(DATA_BYTE, 1));
    path.send(Uint8Array.of(DATA_BYTE, 2));

    expect([...(await atOurs)]).toEqual([DATA_BYTE, 1]);
    expect([...(await atTheirs)]).toEqual([DATA_BYTE, 2]);
    expect(theirs.nominated).toBeDefined();
    expect(path.current).toMatchObject({ kind: 'direct', provisional: false });
    expect(path.stats().checksAnswered).toBeGreaterThan(0);
    expect([...path.stats().drops]).toEqual([]);
  });
});

function untilDirect(path: IcePath): Promise<void> {
  return new Promise((resolve) => {
    path.onPath(({ kind }) => {
      if (kind === 'direct') resolve();
    });
    if (path.current?.kind === 'direct') resolve();
  });
}

function nextData(path: IcePath): Promise<Uint8Array> {
  return new Promise((resolve) => path.onData(resolve));
}

function nextOf(theirs: Connection): Promise<Uint8Array> {
  return new Promise((resolve) => theirs.onData.once(resolve));
}

function forWerift({ kind, address, priority, foundation }: IceCandidate): Candidate {
  const type = Object.entries(TYPES).find(([, ours]) => ours === kind)?.[0] ?? 'host';
  return new Candidate(foundation, 1, 'udp', priority, address.address, address.port, type);
}

function fromWerift({ type, host, port, priority, foundation }: Candidate): IceCandidate {
  const kind = TYPES[type as keyof typeof TYPES];
  return { kind, address: transportAddress(host, port), priority, foundation };
}
