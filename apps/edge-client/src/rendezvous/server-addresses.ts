import { lookup } from 'node:dns/promises';
import { canonicalIpAddress, parseTransportAddress, type TransportAddress } from '@parley/nat';
import type { TurnStreamServer } from '@parley/nat/node';

/** `host:port` or `[v6]:port` as two parts; undefined when it is neither. */
export function splitHostPort(text: string): { readonly host: string; readonly port: number } | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  return host === undefined || !(port >= 1 && port <= 65535) ? undefined : { host, port };
}

/** The transport addresses of the servers that a supernode names; names that do not resolve are left out. */
export async function resolveServers(texts: readonly string[]): Promise<readonly TransportAddress[]> {
  const resolved = await Promise.all(texts.map(resolveServer));
  return resolved.flat();
}

/** RFC 7065, as far as supernodes name servers: `turns:host:443?transport=tcp`, `turn:[v6]:3478?transport=tcp`. */
const STREAM_URI = /^(turns?):(.+)\?transport=tcp$/;

/** The servers among those that a supernode names that speak TURN over TLS or TCP, TLS first: it goes through most networks. */
export function streamServers(texts: readonly string[]): readonly TurnStreamServer[] {
  const servers = texts.flatMap((text): TurnStreamServer[] => {
    const [, scheme, hostPort = ''] = STREAM_URI.exec(text) ?? [];
    const parts = scheme === undefined ? undefined : splitHostPort(hostPort);
    return parts ? [{ transport: scheme === 'turns' ? 'tls' : 'tcp', ...parts }] : [];
  });
  return servers.sort((a, b) => rankOf(a) - rankOf(b));
}

function rankOf({ transport }: TurnStreamServer): number {
  return transport === 'tls' ? 0 : 1;
}

async function resolveServer(text: string): Promise<readonly TransportAddress[]> {
  const parts = splitHostPort(text);
  if (!parts) return [];
  const addresses =
    canonicalIpAddress(parts.host) === undefined
      ? await lookup(parts.host, { all: true }).then(
          (found) => found.map(({ address }) => address),
          () => [], // a server without an address is the same as no server: the others stand in
        )
      : [parts.host];
  return addresses
    .map((address) => parseTransportAddress(address, parts.port))
    .filter((address) => address !== undefined);
}
