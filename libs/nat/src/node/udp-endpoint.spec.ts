import { createSocket } from 'node:dgram';
import { NatError } from '../errors.ts';
import type { IceCandidate } from '../ice/candidate.ts';
import type { IcePathReport } from '../ice/ice-io.ts';
import { transportAddress } from '../net/ip-address.ts';
import type { TransportAddress } from '../net/transport-address.ts';
import { Username } from '../stun/attributes/text.ts';
import { StunMessageBuilder } from '../stun/message-builder.ts';
import { Method } from '../stun/message-type.ts';
import { newTransactionId } from '../stun/transaction-id.ts';
import { formatTimeLimitedUsername, timeLimitedPassword } from '../turn/credentials.ts';
import type { TurnServerEvent } from '../turn/server/turn-server-types.ts';
import { nodeCrypto } from './node-crypto.ts';
import type { EndpointServers } from './endpoint/endpoint-types.ts';
import type { IcePath } from './endpoint/ice-path.ts';
import { TurnServerDriver } from './turn-server-driver.ts';
import { UdpEndpoint } from './udp-endpoint.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Test data carries its data key in front: `key|payload`. */
function demultiplex(bytes: Uint8Array): string | undefined {
  const text = decoder.decode(bytes);
  return text.includes('|') ? text.slice(0, text.indexOf('|')) : undefined;
}

const open: UdpEndpoint[] = [];

async function openEndpoint(): Promise<UdpEndpoint> {
  const endpoint = await UdpEndpoint.open({
    crypto: nodeCrypto,
    demultiplex,
    includeLoopback: true,
    bind: { ipv4: { address: '127.0.0.1' }, ipv6: false },
  });
  open.push(endpoint);
  return endpoint;
}

function nextPath(path: IcePath, matches: (report: IcePathReport) => boolean): Promise<IcePathReport> {
  return new Promise((resolve) => {
    if (path.current !== undefined && matches(path.current)) {
      resolve(path.current);
      return;
    }
    const remove = path.onPath((report) => {
      if (!matches(report)) return;
      remove();
      resolve(report);
    });
  });
}

function nextData(path: IcePath): Promise<string> {
  return new Promise((resolve) => {
    const remove = path.onData((bytes) => {
      remove();
      resolve(decoder.decode(bytes));
    });
  });
}

const isProven = ({ provisional }: IcePathReport): boolean => !provisional;
const isDirect = (report: IcePathReport): boolean => report.kind === 'direct' && !report.provisional;

afterEach(async () => {
  await Promise.all(open.splice(0).map((endpoint) => endpoint.close()));
});

describe('UdpEndpoint on loopback', () => {
  it('finds a direct path between two endpoints and carries data both ways', async () => {
    const [alice, bob] = [await openEndpoint(), await openEndpoint()];
    await Promise.all([alice.gather(), bob.gather()]);
    const caller = alice.createPath({ role: 'controlling', dataKey: 's1' });
    const callee = bob.createPath({ role: 'controlled', dataKey: 's1' });

    callee.setRemote(caller.localCredentials, caller.localCandidates());
    caller.setRemote(callee.localCredentials, callee.localCandidates());
    await Promise.all([nextPath(caller, isDirect), nextPath(callee, isDirect)]);
    const atCallee = nextData(callee);
    expect(caller.send(encoder.encode('s1|hello'))).toBe(true);
    expect(await atCallee).toBe('s1|hello');
    const atCaller = nextData(caller);
    expect(callee.send(encoder.encode('s1|and back'))).toBe(true);
    expect(await atCaller).toBe('s1|and back');

    expect(caller.stats().direct).toMatchObject({ datagramsOut: 1, datagramsIn: 1 });
    expect(caller.state).toBe('connected');
  });

  it('offers candidates with valid foundations and priorities only', async () => {
    const endpoint = await openEndpoint();
    const seen: IceCandidate[] = [];
    endpoint.onCandidate((candidate) => seen.push(candidate));

    const report = await endpoint.gather();

    expect(report.candidates).toEqual(seen);
    expect(report.candidates).toEqual([
      {
        kind: 'host',
        address: endpoint.boundAddresses[0],
        foundation: '1',
        priority: 126 * 2 ** 24 + 65_535 * 2 ** 8 + 255,
      },
    ]);
  });

  it('counts data that belongs to no path', async () => {
    const [alice, bob] = [await openEndpoint(), await openEndpoint()];
    await Promise.all([alice.gather(), bob.gather()]);
    const caller = alice.createPath({ role: 'controlling', dataKey: 'mine' });
    const callee = bob.createPath({ role: 'controlled', dataKey: 'other' });
    callee.setRemote(caller.localCredentials, caller.localCandidates());
    caller.setRemote(callee.localCredentials, callee.localCandidates());
    await nextPath(caller, isProven);
    const arrived = nextData(callee);

    caller.send(encoder.encode('mine|lost'));
    caller.send(encoder.encode('other|found'));
    await arrived;

    expect(bob.stats().drops).toEqual({ 'no-path-for-data': 1 });
  });
});

const SECRET = 'the secret of the lab';

function credential(id: string): { readonly username: string; readonly password: string } {
  const username = formatTimeLimitedUsername({
    expiresAtEpochSeconds: Math.floor(Date.now() / 1000) + 3600,
    credentialId: id,
  });
  return { username, password: timeLimitedPassword(nodeCrypto, SECRET, username) };
}

function serversFor(id: string, server: TransportAddress): EndpointServers {
  return { stun: [server], turn: { server, ...credential(id) } };
}

interface Relay {
  readonly driver: TurnServerDriver;
  readonly server: TransportAddress;
}

async function openRelay(
  port = 0,
  onEvent: (event: TurnServerEvent) => void = () => undefined,
): Promise<Relay> {
  const driver = await TurnServerDriver.open({
    listen: [{ address: '127.0.0.1', port }],
    turn: { realm: 'lab', relay: { ipv4: { bind: '127.0.0.1' } }, allowPeers: ['127.0.0.0/8'] },
    onEvent,
  });
  driver.control({ kind: 'set-secrets', tenantRef: '', secrets: [SECRET] });
  relays.push(driver);
  return { driver, server: driver.listeners[0]!.primary };
}

const relays: TurnServerDriver[] = [];

afterEach(async () => {
  await Promise.all(relays.splice(0).map((driver) => driver.close()));
});

describe('UdpEndpoint with a relay', () => {
  it('reports the relay and the address that it saw', async () => {
    const { server } = await openRelay();
    const alice = await openEndpoint();
    alice.setServers(serversFor('alice', server));

    const report = await alice.gather();

    const [own] = alice.boundAddresses;
    const [reflexive] = report.reflexive;
    expect(reflexive).toMatchObject({ server, local: own, address: own });
    expect(reflexive?.rttMs).toBeGreaterThan(0);
    expect(report.relay).toMatchObject({ server, address: { address: '127.0.0.1' } });
    expect(report.candidates.map(({ kind }) => kind)).toEqual(['host', 'relayed']);
  });

  it('starts on the relay and moves to the direct path, both for data in flight', async () => {
    const { server } = await openRelay();
    const [alice, bob] = [await openEndpoint(), await openEndpoint()];
    alice.setServers(serversFor('alice', server));
    bob.setServers(serversFor('bob', server));
    await Promise.all([alice.gather(), bob.gather()]);
    const caller = alice.createPath({ role: 'controlling', dataKey: 's1' });
    const callee = bob.createPath({ role: 'controlled', dataKey: 's1' });
    const seen: IcePathReport[] = [];
    caller.onPath((report) => seen.push(report));
    callee.setRemote(caller.localCredentials, caller.localCandidates());
    const atCallee = nextData(callee);

    caller.setRemote(callee.localCredentials, callee.localCandidates());
    const isSent = caller.send(encoder.encode('s1|before any check'));

    expect(isSent).toBe(true);
    expect(await atCallee).toBe('s1|before any check');
    await Promise.all([nextPath(caller, isDirect), nextPath(callee, isDirect)]);
    expect(seen[0]).toMatchObject({ kind: 'relayed', provisional: true });
    expect(seen.at(-1)).toMatchObject({ kind: 'direct', provisional: false });
    expect(alice.stats().relay.datagramsOut).toBe(1);
  });

  it('relay-only: both hide behind their relays and data still flows both ways', async () => {
    const { server } = await openRelay();
    const [alice, bob] = [await openEndpoint(), await openEndpoint()];
    alice.setServers(serversFor('alice', server));
    bob.setServers(serversFor('bob', server));
    await Promise.all([alice.gather(), bob.gather()]);
    const caller = alice.createPath({ role: 'controlling', dataKey: 's1', policy: 'relay-only' });
    const callee = bob.createPath({ role: 'controlled', dataKey: 's1', policy: 'relay-only' });
    expect(caller.localCandidates().map(({ kind }) => kind)).toEqual(['relayed']);

    callee.setRemote(caller.localCredentials, caller.localCandidates());
    caller.setRemote(callee.localCredentials, callee.localCandidates());
    await Promise.all([nextPath(caller, isProven), nextPath(callee, isProven)]);
    const atCallee = nextData(callee);
    caller.send(encoder.encode('s1|there'));
    expect(await atCallee).toBe('s1|there');
    const atCaller = nextData(caller);
    callee.send(encoder.encode('s1|and back'));
    expect(await atCaller).toBe('s1|and back');

    expect(caller.current?.kind).toBe('relayed');
    expect(callee.current?.kind).toBe('relayed');
    expect(alice.stats().direct).toMatchObject({ datagramsIn: 0, datagramsOut: 0 });
  });

  it('holdDirect: nothing leaves the socket for the caller until the callee accepts', async () => {
    const { server } = await openRelay();
    const [alice, bob] = [await openEndpoint(), await openEndpoint()];
    alice.setServers(serversFor('alice', server));
    bob.setServers(serversFor('bob', server));
    await Promise.all([alice.gather(), bob.gather()]);
    const caller = alice.createPath({ role: 'controlling', dataKey: 's1' });
    const callee = bob.createPath({ role: 'controlled', dataKey: 's1', holdDirect: true });
    expect(callee.localCandidates().map(({ kind }) => kind)).toEqual(['relayed']);
    callee.onLocalCandidate((candidate) => {
      caller.addRemoteCandidate(candidate);
    });
    callee.setRemote(caller.localCredentials, caller.localCandidates());
    caller.setRemote(callee.localCredentials, callee.localCandidates());
    await Promise.all([nextPath(caller, isProven), nextPath(callee, isProven)]);
    expect(callee.current?.kind).toBe('relayed');

    callee.releaseDirect();
    await Promise.all([nextPath(caller, isDirect), nextPath(callee, isDirect)]);

    expect(callee.current?.kind).toBe('direct');
  });

  it('asks for another credential when the first one is refused', async () => {
    const { server } = await openRelay();
    const alice = await openEndpoint();
    let asked = 0;
    alice.setServers({
      stun: [],
      turn: { server, username: credential('alice').username, password: 'wrong' },
      renewCredential: () => {
        asked += 1;
        return Promise.resolve(credential('alice'));
      },
    });
    const relayed = new Promise<IceCandidate>((resolve) => {
      alice.onCandidate((candidate) => {
        if (candidate.kind === 'relayed') resolve(candidate);
      });
    });

    const report = await alice.gather();

    expect(report.relay).toEqual({ server, error: 'NAT_TURN_UNAUTHORIZED' });
    expect(await relayed).toMatchObject({ kind: 'relayed' });
    expect(asked).toBe(1);
  });

  it('does not hammer anybody when every credential is refused', async () => {
    const { server } = await openRelay();
    const silent = createSocket('udp4');
    await new Promise<void>((resolve) => silent.bind(0, '127.0.0.1', resolve));
    const alice = await openEndpoint();
    let asked = 0;
    const wrong = (): { readonly username: string; readonly password: string } => ({
      ...credential('alice'),
      password: 'wrong',
    });
    alice.setServers({
      stun: [transportAddress('127.0.0.1', silent.address().port)],
      turn: { server, ...wrong() },
      renewCredential: () => {
        asked += 1;
        return Promise.resolve(wrong());
      },
    });

    // Waits its time because of the server that never answers.
    const { relay } = await alice.gather({ timeoutMs: 1_500 });
    silent.close();

    expect(relay).toEqual({ server, error: 'NAT_TURN_UNAUTHORIZED' });
    expect(asked).toBeLessThanOrEqual(2);
  });

  it('gives the allocation back when it closes', async () => {
    const events: TurnServerEvent[] = [];
    let released: () => void = () => undefined;
    const ended = new Promise<void>((resolve) => {
      released = resolve;
    });
    const { server } = await openRelay(0, (event) => {
      events.push(event);
      if (event.kind === 'allocation-ended') released();
    });
    const alice = await openEndpoint();
    alice.setServers(serversFor('alice', server));
    await alice.gather();

    await alice.close();
    await ended;

    expect(events.at(-1)).toMatchObject({ kind: 'allocation-ended', cause: 'released' });
  });

  it('a relay that restarts: both ends allocate again and the relayed session goes on', async () => {
    const { driver, server } = await openRelay();
    const [alice, bob] = [await openEndpoint(), await openEndpoint()];
    alice.setServers(serversFor('alice', server));
    bob.setServers(serversFor('bob', server));
    await Promise.all([alice.gather(), bob.gather()]);
    const caller = alice.createPath({ role: 'controlling', dataKey: 's1', policy: 'relay-only' });
    const callee = bob.createPath({ role: 'controlled', dataKey: 's1', policy: 'relay-only' });
    caller.onLocalCandidate((candidate) => {
      callee.addRemoteCandidate(candidate);
    });
    callee.onLocalCandidate((candidate) => {
      caller.addRemoteCandidate(candidate);
    });
    callee.setRemote(caller.localCredentials, caller.localCandidates());
    caller.setRemote(callee.localCredentials, callee.localCandidates());
    await Promise.all([nextPath(caller, isProven), nextPath(callee, isProven)]);
    const before = caller.current?.local;

    await driver.close();
    await openRelay(server.port);
    const isRenewed = (report: IcePathReport): boolean =>
      isProven(report) && report.local.port !== before?.port;
    const voice = setInterval(() => {
      caller.send(encoder.encode('s1|frame'));
      callee.send(encoder.encode('s1|frame'));
    }, 20);
    await nextPath(caller, isRenewed);
    const arrived = nextData(callee);
    await arrived;
    clearInterval(voice);

    expect(caller.current).toMatchObject({ kind: 'relayed', provisional: false });
    expect(caller.state).toBe('connected');
  });
});

describe('UdpEndpoint › what strangers send', () => {
  it('is counted by reason and answered to nobody', async () => {
    const endpoint = await openEndpoint();
    endpoint.createPath({ role: 'controlled', dataKey: 'mine' });
    const stranger = createSocket('udp4');
    const answers: Uint8Array[] = [];
    stranger.on('message', (bytes) => answers.push(bytes));
    const { address, port } = endpoint.boundAddresses[0]!;
    const binding = (messageClass: 'request' | 'success' | 'indication'): StunMessageBuilder =>
      new StunMessageBuilder(messageClass, Method.BINDING, newTransactionId(nodeCrypto));
    const datagrams = [
      encoder.encode('other|data'),
      encoder.encode('no key at all'),
      binding('request').toBytes(),
      binding('request').add(Username, 'nobody:here').toBytes(),
      binding('success').toBytes(),
      binding('indication').toBytes(),
      binding('request').add(Username, 'cut:off').toBytes().subarray(0, 24),
    ];

    for (const datagram of datagrams) stranger.send(datagram, port, address);
    const path = endpoint.createPath({ role: 'controlled', dataKey: 'last' });
    const arrived = nextData(path);
    stranger.send(encoder.encode('last|one'), port, address);
    await arrived;
    stranger.close();

    expect(endpoint.stats().drops).toEqual({
      'no-path-for-data': 2,
      'stun-unknown-ufrag': 2,
      'stun-unknown-transaction': 1,
      'stun-malformed': 1,
    });
    expect(answers).toEqual([]);
  });
});

describe('UdpEndpoint › sockets', () => {
  it('binds the wildcard of both families by default and offers addresses of real interfaces only', async () => {
    const endpoint = await UdpEndpoint.open({ crypto: nodeCrypto, demultiplex });
    open.push(endpoint);

    const { candidates } = await endpoint.gather();

    expect(endpoint.boundAddresses.map(({ address }) => address)).toContain('0.0.0.0');
    for (const { kind, address } of candidates) {
      expect(kind).toBe('host');
      expect(['127.0.0.1', '::1', '0.0.0.0', '::']).not.toContain(address.address);
    }
  });

  it('a port that is taken: NAT_BIND_FAILED', async () => {
    const first = await openEndpoint();
    const { port } = first.boundAddresses[0]!;

    const second = UdpEndpoint.open({
      crypto: nodeCrypto,
      demultiplex,
      bind: { ipv4: { address: '127.0.0.1', port }, ipv6: false },
    });

    await expect(second).rejects.toMatchObject({ code: 'NAT_BIND_FAILED' });
  });

  it('a data key belongs to one path at a time', async () => {
    const endpoint = await openEndpoint();
    const path = endpoint.createPath({ role: 'controlling', dataKey: 'k' });

    expect(() => endpoint.createPath({ role: 'controlling', dataKey: 'k' })).toThrow(NatError);
    path.close();

    expect(endpoint.createPath({ role: 'controlling', dataKey: 'k' }).state).toBe('new');
  });

  it('after close: NAT_SOCKET_CLOSED, and a path sends nothing', async () => {
    const endpoint = await openEndpoint();
    const path = endpoint.createPath({ role: 'controlling', dataKey: 'k' });
    await endpoint.close();

    expect(path.send(new Uint8Array(1))).toBe(false);
    expect(path.state).toBe('closed');
    expect(() => endpoint.createPath({ role: 'controlling', dataKey: 'k' })).toThrow(NatError);
  });
});
