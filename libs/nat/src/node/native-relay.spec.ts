import { performance } from 'node:perf_hooks';
import { encodeRelayData } from '../flow/flow-frame.ts';
import type { FlowServerEvent } from '../flow/flow-server-types.ts';
import type { IcePathReport, IcePolicy } from '../ice/ice-io.ts';
import type { TransportAddress } from '../net/transport-address.ts';
import { formatTimeLimitedUsername, timeLimitedPassword } from '../turn/credentials.ts';
import type { EndpointServers } from './endpoint/endpoint-types.ts';
import type { IcePath } from './endpoint/ice-path.ts';
import { nodeCrypto } from './node-crypto.ts';
import { TurnServerDriver } from './turn-server-driver.ts';
import { UdpEndpoint } from './udp-endpoint.ts';
import { UdpSocket } from './udp-socket.ts';

const SECRET = 'secret of the tests';
const RELAY_ID = nodeCrypto.randomBytes(8);
const encoder = new TextEncoder();
const decoder = new TextDecoder();
const closing: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (let close = closing.pop(); close !== undefined; close = closing.pop()) await close();
});

/** A supernode's listener, with what happened to its flows. */
async function startServer() {
  const waiting = new Map<string, () => void>();
  const events: FlowServerEvent[] = [];
  const driver = await TurnServerDriver.open({
    listen: [{ address: '127.0.0.1', port: 0 }],
    turn: { realm: 'test', relay: { ipv4: { bind: '127.0.0.1' } }, allowPeers: ['127.0.0.0/8'] },
    flow: {
      onEvent: (event) => {
        events.push(event);
        if (event.kind === 'flow-observed') waiting.get(event.owner)?.();
      },
    },
  });
  closing.push(() => driver.close());
  driver.control({ kind: 'set-secrets', tenantRef: '', secrets: [SECRET] });
  const { primary } = driver.listeners[0]!;
  const admit = (owner: string) => {
    const flow = { flowId: nodeCrypto.randomBytes(8), key: nodeCrypto.randomBytes(32) };
    driver.controlFlows({ kind: 'open-flow', owner, ...flow });
    return { ...flow, servers: [primary] };
  };
  const pair = () =>
    driver.controlFlows({ kind: 'open-relay-pair', relayId: RELAY_ID, owners: ['alice', 'bob'] });
  return { driver, primary, admit, pair, events };
}

async function openEndpoint(): Promise<UdpEndpoint> {
  const endpoint = await UdpEndpoint.open({
    crypto: nodeCrypto,
    demultiplex: () => 's',
    includeLoopback: true,
    bind: { ipv4: { address: '127.0.0.1' }, ipv6: false },
  });
  closing.push(() => endpoint.close());
  return endpoint;
}

function serversAt(primary: TransportAddress, user: string): EndpointServers {
  const username = formatTimeLimitedUsername({
    expiresAtEpochSeconds: Math.floor(Date.now() / 1000) + 600,
    credentialId: user,
  });
  const password = timeLimitedPassword(nodeCrypto, SECRET, username);
  return { stun: [primary], turn: { server: primary, username, password } };
}

function nextPath(path: IcePath, matches: (report: IcePathReport) => boolean): Promise<IcePathReport> {
  return new Promise((resolve) => {
    if (path.current !== undefined && matches(path.current)) resolve(path.current);
    path.onPath((report) => {
      if (matches(report)) resolve(report);
    });
  });
}

const nextData = (path: IcePath): Promise<string> =>
  new Promise((resolve) => path.onData((bytes) => resolve(decoder.decode(bytes))));

/** Between an endpoint and the server, with an outside socket that can be replaced: a NAT that forgot, or another network. */
async function startNat(server: TransportAddress) {
  let client: TransportAddress | undefined;
  const local = { family: 'ipv4', address: '127.0.0.1', port: 0 } as const;
  const inside = await UdpSocket.open(local, {
    onDatagram: (bytes, from) => {
      client = from;
      outside?.send(bytes, server);
    },
    onError: () => undefined,
  });
  const openOutside = () =>
    UdpSocket.open(local, {
      onDatagram: (bytes) => {
        if (client !== undefined) inside.send(bytes, client);
      },
      onError: () => undefined,
    });
  let outside: UdpSocket | undefined = await openOutside();
  closing.push(() => inside.close());
  closing.push(async () => outside?.close());
  const move = async () => {
    await outside?.close();
    outside = await openOutside();
  };
  return { address: inside.localAddress, move };
}

/** Two registered endpoints with a path each, paired at the server, before they know each other's credentials. */
async function pairedPaths(policy: IcePolicy, holdDirect = false) {
  const server = await startServer();
  const [alice, bob] = [await openEndpoint(), await openEndpoint()];
  for (const [endpoint, owner] of [
    [alice, 'alice'],
    [bob, 'bob'],
  ] as const) {
    endpoint.setFlow(server.admit(owner));
    endpoint.setServers(serversAt(server.primary, owner));
    await endpoint.gather();
  }
  const caller = alice.createPath({ role: 'controlling', dataKey: 's', policy, holdDirect });
  const callee = bob.createPath({ role: 'controlled', dataKey: 's', policy });
  server.pair();
  for (const path of [caller, callee]) path.addNativeRelay(RELAY_ID);
  const meet = () => {
    callee.setRemote(caller.localCredentials, caller.localCandidates());
    caller.setRemote(callee.localCredentials, callee.localCandidates());
  };
  return { server, alice, bob, caller, callee, meet };
}

describe('an endpoint with a registered flow', () => {
  it('is gathered without an allocation, and the server knows where it is', async () => {
    const { driver, primary, admit, events } = await startServer();
    const endpoint = await openEndpoint();
    endpoint.setFlow(admit('alice'));
    endpoint.setServers(serversAt(primary, 'alice'));
    const report = await endpoint.gather();

    expect(report.relay).toBeUndefined();
    expect(endpoint.observedAddresses).toEqual(endpoint.boundAddresses);
    expect(events).toEqual([{ kind: 'flow-observed', owner: 'alice', addresses: ['127.0.0.1'] }]);
    expect(driver.stats()).toMatchObject({
      flow: { registeredFlows: 1, sendFailures: 0 },
      turn: { allocationsCreated: 0 },
    });
  });

  it('asks for an allocation where its flow is unknown', async () => {
    const { primary } = await startServer();
    const endpoint = await openEndpoint();
    endpoint.setFlow({ flowId: new Uint8Array(8), key: new Uint8Array(32), servers: [primary] });
    endpoint.setServers(serversAt(primary, 'alice'));
    const report = await endpoint.gather();

    expect(report.relay?.address).toBeDefined();
    expect(endpoint.observedAddresses).toEqual([]);
  });

  it('asks for an allocation when it is told that the peer has no flow', async () => {
    const { primary, admit } = await startServer();
    const endpoint = await openEndpoint();
    endpoint.setFlow(admit('alice'));
    endpoint.setServers(serversAt(primary, 'alice'));
    await endpoint.gather();
    const relayed = new Promise((resolve) => {
      endpoint.onCandidate(({ kind }) => {
        if (kind === 'relayed') resolve(kind);
      });
    });
    endpoint.allocateRelay();

    expect(await relayed).toBe('relayed');
  });

  it('takes frames of its server only', async () => {
    const { primary, admit } = await startServer();
    const endpoint = await openEndpoint();
    endpoint.setFlow(admit('alice'));
    endpoint.setServers(serversAt(primary, 'alice'));
    await endpoint.gather();
    const listeners = { onDatagram: () => undefined, onError: () => undefined };
    const stranger = await UdpSocket.open({ family: 'ipv4', address: '127.0.0.1', port: 0 }, listeners);
    closing.push(() => stranger.close());
    stranger.send(encodeRelayData(RELAY_ID, new Uint8Array(20)), endpoint.boundAddresses[0]!);
    while (endpoint.stats().drops['flow-unexpected-source'] === undefined)
      await new Promise((resolve) => setImmediate(resolve));

    expect(endpoint.stats().drops).toEqual({ 'flow-unexpected-source': 1 });
  });
});

describe('a native relay', () => {
  it('carries the first data without an allocation and without a check, and everything after that', async () => {
    const { server, caller, callee, meet } = await pairedPaths('relay-only');
    expect(caller.localCandidates()).toEqual([]);
    const atCallee = nextData(callee);
    const atCaller = nextData(caller);
    meet();
    expect(caller.current).toMatchObject({ kind: 'relayed', provisional: true });
    expect(caller.send(encoder.encode('first'))).toBe(true);
    expect(await atCallee).toBe('first');
    callee.send(encoder.encode('answer'));
    expect(await atCaller).toBe('answer');
    await nextPath(caller, ({ provisional }) => !provisional);

    const { flow, turn } = server.driver.stats();
    expect(flow.forwarded.datagrams).toBeGreaterThanOrEqual(4);
    expect(flow.drops).toEqual({});
    expect(turn.toPeers.datagrams).toBe(0);
    expect(caller.stats().direct.datagramsOut).toBe(0);
  });

  it('gives way to a direct path and stays warm', async () => {
    const { caller, callee, meet } = await pairedPaths('any');
    meet();
    const isDirect = ({ kind }: IcePathReport) => kind === 'direct';
    await Promise.all([nextPath(caller, isDirect), nextPath(callee, isDirect)]);

    while (caller.stats().pairs.succeeded < 2) await new Promise((resolve) => setImmediate(resolve));
    expect(caller.current?.kind).toBe('direct');
  });

  it('is not used where only direct paths may be', async () => {
    const { server, caller, meet } = await pairedPaths('direct-only');
    meet();
    await nextPath(caller, ({ kind }) => kind === 'direct');

    expect(server.driver.stats().flow.forwarded.datagrams).toBe(0);
  });

  it('hides the addresses of who has not been accepted, and carries data meanwhile', async () => {
    const { caller, callee, meet } = await pairedPaths('any', true);
    const atCallee = nextData(callee);
    meet();
    caller.send(encoder.encode('from behind the relay'));
    expect(await atCallee).toBe('from behind the relay');

    expect(caller.localCandidates()).toEqual([]);
    expect(caller.current?.kind).toBe('relayed');
    caller.releaseDirect();
    await nextPath(caller, ({ kind }) => kind === 'direct');
  });

  it('is found again after a restart of the path', async () => {
    const { caller, callee, meet } = await pairedPaths('relay-only');
    meet();
    await nextPath(caller, ({ provisional }) => !provisional);
    caller.restart();
    callee.restart();
    const valid = nextPath(callee, ({ provisional }) => !provisional);
    meet();
    await valid;
    const atCallee = nextData(callee);
    caller.send(encoder.encode('again'));
    expect(await atCallee).toBe('again');
  });

  it('goes on within a second when one side comes from another address, without an allocation or a restart', async () => {
    const server = await startServer();
    const nat = await startNat(server.primary);
    const [alice, bob] = [await openEndpoint(), await openEndpoint()];
    alice.setFlow({ ...server.admit('alice'), servers: [nat.address] });
    bob.setFlow(server.admit('bob'));
    for (const endpoint of [alice, bob]) {
      endpoint.setServers({ stun: [] });
      await endpoint.gather();
    }
    const caller = alice.createPath({ role: 'controlling', dataKey: 's', policy: 'relay-only' });
    const callee = bob.createPath({ role: 'controlled', dataKey: 's', policy: 'relay-only' });
    server.pair();
    for (const path of [caller, callee]) path.addNativeRelay(RELAY_ID);
    callee.setRemote(caller.localCredentials);
    caller.setRemote(callee.localCredentials);
    await Promise.all([caller, callee].map((path) => nextPath(path, ({ provisional }) => !provisional)));
    callee.onData((bytes) => callee.send(bytes));
    const before = alice.observedAddresses[0];

    await nat.move();
    const movedAt = performance.now();
    const echoed = nextData(caller);
    const talking = setInterval(() => caller.send(encoder.encode('voice')), 20);
    closing.push(() => {
      clearInterval(talking);
      return Promise.resolve();
    });
    await echoed;

    expect(performance.now() - movedAt).toBeLessThan(1000);
    expect(alice.observedAddresses[0]).not.toEqual(before);
    expect(server.driver.stats().flow).toMatchObject({ challenges: 3, relayPairs: 1 });
  });

  it('carries on while both sides have another home, until its path is closed', async () => {
    const { server, alice, bob, caller, callee, meet } = await pairedPaths('relay-only');
    meet();
    await Promise.all([caller, callee].map((path) => nextPath(path, ({ provisional }) => !provisional)));
    const next = await startServer();
    for (const [endpoint, owner] of [
      [alice, 'alice'],
      [bob, 'bob'],
    ] as const) {
      endpoint.setFlow(next.admit(owner));
      endpoint.setServers(serversAt(next.primary, owner));
      await endpoint.gather();
    }
    const before = server.driver.stats().flow.forwarded.datagrams;
    const atCallee = nextData(callee);
    caller.send(encoder.encode('by the old way'));

    expect(await atCallee).toBe('by the old way');
    expect(server.driver.stats().flow.forwarded.datagrams).toBeGreaterThan(before);
    expect(next.driver.stats().flow).toMatchObject({ registeredFlows: 2, drops: {} });
    expect(alice.stats().drops).toEqual({});
    expect(caller.current).toMatchObject({ kind: 'relayed', relays: { own: server.primary } });
    expect(caller.current?.relays?.peer).toBeUndefined();
    caller.close();
    // The former home is a stranger now.
    callee.send(encoder.encode('too late'));
    while (alice.stats().drops['flow-unexpected-source'] === undefined)
      await new Promise((resolve) => setImmediate(resolve));
  });

  it('stays with its supernode where that knows both by other flows', async () => {
    const { server, alice, bob, caller, callee, meet } = await pairedPaths('relay-only');
    meet();
    await Promise.all([caller, callee].map((path) => nextPath(path, ({ provisional }) => !provisional)));
    alice.setFlow(server.admit('alice'));
    bob.setFlow(server.admit('bob'));
    server.pair();
    const atCallee = nextData(callee);
    const talking = setInterval(() => caller.send(encoder.encode('still here')), 20);
    closing.push(() => {
      clearInterval(talking);
      return Promise.resolve();
    });

    expect(await atCallee).toBe('still here');
  });
});
