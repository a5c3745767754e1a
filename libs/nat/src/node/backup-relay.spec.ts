import type { TransportAddress } from '../net/transport-address.ts';
import { formatTimeLimitedUsername, timeLimitedPassword } from '../turn/credentials.ts';
import type { EndpointServers } from './endpoint/endpoint-types.ts';
import type { IcePath } from './endpoint/ice-path.ts';
import { nodeCrypto } from './node-crypto.ts';
import { TurnServerDriver } from './turn-server-driver.ts';
import { UdpEndpoint } from './udp-endpoint.ts';

const SECRET = 'secret of the tests';
const encoder = new TextEncoder();
const decoder = new TextDecoder();
const closing: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (let close = closing.pop(); close !== undefined; close = closing.pop()) await close();
});

async function startServer() {
  const driver = await TurnServerDriver.open({
    listen: [{ address: '127.0.0.1', port: 0 }],
    turn: { realm: 'test', relay: { ipv4: { bind: '127.0.0.1' } }, allowPeers: ['127.0.0.0/8'] },
  });
  let isClosed = false;
  const close = async (): Promise<void> => {
    if (!isClosed) await driver.close();
    isClosed = true;
  };
  closing.push(close);
  const accept = (...secrets: string[]) => driver.control({ kind: 'set-secrets', tenantRef: '', secrets });
  accept(SECRET);
  return {
    accept,
    address: driver.listeners[0]!.primary,
    close,
    allocations: () => driver.stats().turn.allocations,
  };
}

async function openEndpoint(main: TransportAddress, backup?: TransportAddress): Promise<UdpEndpoint> {
  const endpoint = await UdpEndpoint.open({
    crypto: nodeCrypto,
    demultiplex: () => 's',
    includeLoopback: true,
    bind: { ipv4: { address: '127.0.0.1' }, ipv6: false },
  });
  closing.push(() => endpoint.close());
  endpoint.setServers(serversAt(main, backup));
  await endpoint.gather();
  return endpoint;
}

function serversAt(main: TransportAddress, backup?: TransportAddress): EndpointServers {
  return { stun: [main], turn: { server: main, ...credentialBy(SECRET) }, backups: backup ? [backup] : [] };
}

function credentialBy(secret: string) {
  const username = formatTimeLimitedUsername({
    expiresAtEpochSeconds: Math.floor(Date.now() / 1000) + 600,
    credentialId: 'somebody',
  });
  return { username, password: timeLimitedPassword(nodeCrypto, secret, username) };
}

/** Two relayed paths that tell each other of candidates as they come. */
function meet(alice: UdpEndpoint, bob: UdpEndpoint) {
  const caller = alice.createPath({ role: 'controlling', dataKey: 's', policy: 'relay-only' });
  const callee = bob.createPath({ role: 'controlled', dataKey: 's', policy: 'relay-only' });
  caller.onLocalCandidate((candidate) => callee.addRemoteCandidate(candidate));
  callee.onLocalCandidate((candidate) => caller.addRemoteCandidate(candidate));
  callee.setRemote(caller.localCredentials, caller.localCandidates());
  caller.setRemote(callee.localCredentials, callee.localCandidates());
  return { caller, callee };
}

/** Sends every 20 ms until something arrives. */
async function untilHeard(from: IcePath, to: IcePath): Promise<void> {
  const timer = setInterval(() => from.send(encoder.encode('over here')), 20);
  try {
    await new Promise<void>((resolve) => {
      const off = to.onData((bytes) => {
        if (decoder.decode(bytes) !== 'over here') return;
        off();
        resolve();
      });
    });
  } finally {
    clearInterval(timer);
  }
}

/** Each side has two relays, and all four pairs of them work. */
const isWarm = (path: IcePath): boolean => path.stats().pairs.succeeded === 4;

async function until(isSo: () => boolean): Promise<void> {
  const end = performance.now() + 20_000;
  while (!isSo()) {
    expect(performance.now()).toBeLessThan(end);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe('the relay at another supernode', () => {
  it('is asked for an allocation only where a path stays relayed, and takes over when the first dies', async () => {
    const [first, second] = [await startServer(), await startServer()];
    const alice = await openEndpoint(first.address, second.address);
    const bob = await openEndpoint(first.address, second.address);
    expect(second.allocations()).toBe(0);
    const { caller, callee } = meet(alice, bob);
    await untilHeard(caller, callee);
    await until(() => second.allocations() === 2);
    await until(() => isWarm(caller) && isWarm(callee));
    const before = caller.current?.relays;

    await first.close();
    await Promise.all([untilHeard(caller, callee), untilHeard(callee, caller)]);

    expect(second.allocations()).toBe(2);
    expect(before?.own).toEqual(first.address);
    await until(() => caller.current?.relays?.own?.port === second.address.port);
    const peers = callee.localCandidates().map(({ address }) => address.port);
    expect(peers).toContain(caller.current?.relays?.peer?.port);
    expect(caller.current?.relays?.peer).not.toEqual(before?.peer);
  });

  it('stands in for a first one that does not answer', async () => {
    const [first, second] = [await startServer(), await startServer()];
    await first.close();
    const alice = await openEndpoint(first.address, second.address);
    const bob = await openEndpoint(first.address, second.address);
    const { caller, callee } = meet(alice, bob);

    await Promise.all([untilHeard(caller, callee), untilHeard(callee, caller)]);

    expect(second.allocations()).toBe(2);
  });

  it('is asked with the credential that it was named with, also where that of the beginning is over', async () => {
    const [first, second] = [await startServer(), await startServer()];
    const [alice, bob] = [await openEndpoint(first.address), await openEndpoint(first.address)];
    const { caller, callee } = meet(alice, bob);
    await untilHeard(caller, callee);
    first.accept('another', SECRET);
    second.accept('another');

    for (const endpoint of [alice, bob]) endpoint.setBackups([second.address], credentialBy('another'));

    await until(() => second.allocations() === 2);
    expect(first.allocations()).toBe(2);
  });

  it('is not asked where paths are direct', async () => {
    const [first, second] = [await startServer(), await startServer()];
    const alice = await openEndpoint(first.address, second.address);
    const bob = await openEndpoint(first.address, second.address);
    const caller = alice.createPath({ role: 'controlling', dataKey: 's' });
    const callee = bob.createPath({ role: 'controlled', dataKey: 's' });
    callee.setRemote(caller.localCredentials, caller.localCandidates());
    caller.setRemote(callee.localCredentials, callee.localCandidates());
    await until(() => caller.current?.kind === 'direct' && callee.current?.kind === 'direct');
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    expect(second.allocations()).toBe(0);
  });

  it('becomes the first one where its supernode becomes the home, without a break', async () => {
    const [first, second, third] = [await startServer(), await startServer(), await startServer()];
    const alice = await openEndpoint(first.address, second.address);
    const bob = await openEndpoint(first.address, second.address);
    const { caller, callee } = meet(alice, bob);
    await untilHeard(caller, callee);
    await until(() => isWarm(caller) && isWarm(callee));
    await first.close();
    await untilHeard(caller, callee);

    for (const endpoint of [alice, bob]) endpoint.setServers(serversAt(second.address, third.address));

    await untilHeard(callee, caller);
    expect(second.allocations()).toBe(2);
    await until(() => third.allocations() === 2);
  });
});
