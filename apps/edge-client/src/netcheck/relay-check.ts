import { performance } from 'node:perf_hooks';
import type { TransportAddress } from '@parley/nat';
import { nodeCrypto, UdpEndpoint, type IcePath, type TurnServer } from '@parley/nat/node';

/** Whether the relay can be used, found by using it. */
export interface RelayCheck {
  /** Of the server, over UDP. */
  readonly server: TransportAddress;
  /** The relayed transport address of an allocation. */
  readonly address?: TransportAddress;
  /** From the request for the allocation to its answer. */
  readonly allocateMs?: number;
  /** There and back through the relay, between two allocations of our own. */
  readonly roundTripMs?: number;
  readonly error?: 'not-allocated' | 'not-forwarded' | 'no-socket';
}

/** The same over TLS, for networks that block UDP. */
export type TlsRelayCheck = Omit<RelayCheck, 'server'> & { readonly host: string; readonly port: number };

const KEY = 'netcheck';
const PROBE = Uint8Array.from([0x70, 0x72, 0x6f, 0x62, 0x65]);

/** Allocates twice and sends a datagram from one allocation to the other and back. */
export async function checkRelay(turn: TurnServer, timeoutMs: number): Promise<Omit<RelayCheck, 'server'>> {
  const options = { crypto: nodeCrypto, demultiplex: () => KEY };
  const endpoints = await Promise.all([UdpEndpoint.open(options), UdpEndpoint.open(options)]).catch(
    () => undefined, // no UDP here at all
  );
  if (!endpoints) return { error: 'no-socket' };
  try {
    const [report] = await Promise.all(
      endpoints.map((endpoint) => {
        endpoint.setServers({ stun: [], turn });
        return endpoint.gather({ timeoutMs });
      }),
    );
    const relay = report?.relay;
    if (!relay?.address) return { error: 'not-allocated' };
    const allocated = {
      address: relay.address,
      ...(relay.rttMs === undefined ? {} : { allocateMs: relay.rttMs }),
    };
    const roundTripMs = await echo(endpoints, timeoutMs);
    return roundTripMs === undefined
      ? { ...allocated, error: 'not-forwarded' }
      : { ...allocated, roundTripMs };
  } finally {
    await Promise.all(endpoints.map((endpoint) => endpoint.close()));
  }
}

async function echo(
  [near, far]: readonly [UdpEndpoint, UdpEndpoint],
  timeoutMs: number,
): Promise<number | undefined> {
  const asking = near.createPath({ role: 'controlling', dataKey: KEY, policy: 'relay-only' });
  const answering = far.createPath({ role: 'controlled', dataKey: KEY, policy: 'relay-only' });
  answering.onData((bytes) => void answering.send(Uint8Array.from(bytes)));
  introduce(asking, answering);
  return new Promise((resolve) => {
    let sentAt = 0;
    const timer = setTimeout(() => resolve(undefined), timeoutMs);
    asking.onPath(({ provisional }) => {
      // A provisional path is the relay's promise; only a checked one is known to forward.
      if (provisional || sentAt > 0) return;
      sentAt = performance.now();
      asking.send(PROBE);
    });
    asking.onData(() => {
      clearTimeout(timer);
      resolve(performance.now() - sentAt);
    });
  });
}

function introduce(a: IcePath, b: IcePath): void {
  a.setRemote(b.localCredentials, b.localCandidates());
  b.setRemote(a.localCredentials, a.localCandidates());
}
