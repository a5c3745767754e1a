import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { networkInterfaces } from 'node:os';
import { performance } from 'node:perf_hooks';
import {
  instant,
  NatDiscovery,
  parseTransportAddress,
  type AddressFamily,
  type NatBehaviourReport,
  type NatDiscoveryOutput,
  type TransportAddress,
} from '@parley/nat';
import { nodeCrypto } from '@parley/nat/node';

type Role = 'mapping' | 'filtering';

/** Runs the discovery of RFC 5780 against servers of one family, on sockets of its own. */
export async function checkBehaviour(
  family: AddressFamily,
  servers: readonly TransportAddress[],
): Promise<NatBehaviourReport> {
  const sockets = { mapping: await bind(family), filtering: await bind(family) };
  try {
    return await discover(sockets, servers);
  } finally {
    sockets.mapping.close();
    sockets.filtering.close();
  }
}

function discover(
  sockets: Readonly<Record<Role, Socket>>,
  servers: readonly TransportAddress[],
): Promise<NatBehaviourReport> {
  const discovery = new NatDiscovery({
    crypto: nodeCrypto,
    servers,
    localAddresses: localAddresses(),
    localPorts: { mapping: sockets.mapping.address().port, filtering: sockets.filtering.address().port },
  });
  return new Promise((resolve) => {
    let timer: NodeJS.Timeout | undefined;
    const now = () => instant(performance.now());
    const perform = (outputs: readonly NatDiscoveryOutput[]) => {
      for (const output of outputs) {
        // An address that cannot be reached is the same as a server that does not answer: the core waits and reports it.
        if (output.kind === 'send') {
          sockets[output.socket].send(output.bytes, output.to.port, output.to.address, () => undefined);
        } else if (output.kind === 'finished') {
          resolve(output.report);
        }
      }
      clearTimeout(timer);
      const at = discovery.nextTimeoutAt();
      if (at !== undefined && discovery.report === undefined) {
        timer = setTimeout(() => perform(discovery.handleTimeout(now())), Math.max(0, at - now()));
      }
    };
    for (const socket of ['mapping', 'filtering'] as const) {
      sockets[socket].on('message', (bytes, source) => {
        const from = parseTransportAddress(source.address.split('%')[0] ?? '', source.port);
        if (from) perform(discovery.handle({ kind: 'datagram', socket, from, bytes }, now()));
      });
    }
    perform(discovery.handle({ kind: 'start' }, now()));
  });
}

async function bind(family: AddressFamily): Promise<Socket> {
  const socket = createSocket(family === 'ipv4' ? { type: 'udp4' } : { type: 'udp6', ipv6Only: true });
  socket.bind(0);
  await once(socket, 'listening');
  // An unreachable network is reported on the socket too; the missing answers say it already.
  socket.on('error', () => undefined);
  return socket;
}

function localAddresses(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((entries) =>
    (entries ?? []).map(({ address }) => address.split('%')[0] ?? ''),
  );
}
