import type { IceCandidate } from '../ice/candidate.ts';
import type { IcePathReport } from '../ice/ice-io.ts';
import { nodeCrypto } from './node-crypto.ts';
import type { IcePath } from './endpoint/ice-path.ts';
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
    const isDirect = (report: IcePathReport): boolean => report.kind === 'direct' && !report.provisional;
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
    await nextPath(caller, ({ provisional }) => !provisional);
    const arrived = nextData(callee);

    caller.send(encoder.encode('mine|lost'));
    caller.send(encoder.encode('other|found'));
    await arrived;

    expect(bob.stats().drops).toEqual({ 'no-path-for-data': 1 });
  });
});
