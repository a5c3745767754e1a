import { networkInterfaces } from 'node:os';
import type { NatBehaviourReport } from '../discovery/behaviour-report.ts';
import type { DiscoverySocket } from '../discovery/discovery-probe.ts';
import {
  NatDiscovery,
  type NatDiscoveryOptions,
  type NatDiscoveryOutput,
} from '../discovery/nat-discovery.ts';
import { NatError } from '../errors.ts';
import { canonicalIpAddress } from '../net/ip-address.ts';
import type { TransportAddress } from '../net/transport-address.ts';
import { CoreTimer } from './core-timer.ts';
import { monotonicNow } from './monotonic-clock.ts';
import { nodeCrypto } from './node-crypto.ts';
import { UdpSocket } from './udp-socket.ts';

export interface DiscoverNatOptions extends Pick<NatDiscoveryOptions, 'servers' | 'retransmission'> {
  /** @default the wildcard address of the servers' family */
  readonly bindAddress?: string;
  /** Ends the discovery early: the promise is rejected with `NAT_ABORTED`. */
  readonly signal?: AbortSignal;
}

const DISCOVERY_SOCKETS = ['mapping', 'filtering'] as const satisfies readonly DiscoverySocket[];

/**
 * Finds out how the NAT in front of this host behaves, on two sockets of its own. Takes a few round trips, and up to 9 s
 * where answers stay away.
 *
 * @throws NatError `NAT_INVALID_ARGUMENT`, `NAT_BIND_FAILED`, `NAT_ABORTED`
 */
export async function discoverNatBehaviour(options: DiscoverNatOptions): Promise<NatBehaviourReport> {
  const { servers, signal } = options;
  const [first] = servers;
  if (first === undefined || servers.some(({ family }) => family !== first.family)) {
    throw new NatError('NAT_INVALID_ARGUMENT', 'Discovery needs servers, all of one address family.');
  }
  const address = options.bindAddress ?? (first.family === 'ipv6' ? '::' : '0.0.0.0');
  const received: { handle: ReceiveDatagram } = { handle: () => undefined };
  const sockets: Partial<Record<DiscoverySocket, UdpSocket>> = {};
  try {
    for (const name of DISCOVERY_SOCKETS) {
      sockets[name] = await UdpSocket.open(
        { family: first.family, address, port: 0 },
        {
          onDatagram: (bytes, from) => {
            received.handle(name, bytes, from);
          },
          // A probe that does not leave gets no answer, which the report shows.
          onError: () => undefined,
        },
      );
    }
    return await run(options, sockets as Record<DiscoverySocket, UdpSocket>, received, signal);
  } finally {
    await Promise.all(Object.values(sockets).map((socket) => socket.close()));
  }
}

type ReceiveDatagram = (socket: DiscoverySocket, bytes: Uint8Array, from: TransportAddress) => void;

function run(
  { servers, retransmission }: DiscoverNatOptions,
  sockets: Readonly<Record<DiscoverySocket, UdpSocket>>,
  received: { handle: ReceiveDatagram },
  signal: AbortSignal | undefined,
): Promise<NatBehaviourReport> {
  const core = new NatDiscovery({
    crypto: nodeCrypto,
    servers,
    localAddresses: localAddresses(),
    localPorts: {
      mapping: sockets.mapping.localAddress.port,
      filtering: sockets.filtering.localAddress.port,
    },
    ...(retransmission === undefined ? {} : { retransmission }),
  });
  return new Promise((resolve, reject) => {
    const perform = (outputs: readonly NatDiscoveryOutput[]): void => {
      for (const output of outputs) {
        if (output.kind === 'send') sockets[output.socket].send(output.bytes, output.to);
        if (output.kind === 'finished') {
          signal?.removeEventListener('abort', abort);
          resolve(output.report);
        }
      }
      timer.armAt(core.nextTimeoutAt());
    };
    const timer = new CoreTimer((now) => {
      perform(core.handleTimeout(now));
    });
    const abort = (): void => {
      timer.armAt(undefined);
      reject(
        new NatError('NAT_ABORTED', 'The discovery was ended by its caller.', { cause: signal?.reason }),
      );
    };
    if (signal?.aborted === true) {
      abort();
      return;
    }
    signal?.addEventListener('abort', abort, { once: true });
    received.handle = (socket, bytes, from) => {
      perform(core.handle({ kind: 'datagram', socket, bytes, from }, monotonicNow()));
    };
    perform(core.handle({ kind: 'start' }, monotonicNow()));
  });
}

function localAddresses(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((entries) =>
    (entries ?? []).flatMap(({ address }) => canonicalIpAddress(address) ?? []),
  );
}
