import { lookup } from 'node:dns/promises';
import { canonicalIpAddress, parseTransportAddress, type TransportAddress } from '@parley/nat';

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
