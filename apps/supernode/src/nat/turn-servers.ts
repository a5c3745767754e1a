import { formatTransportAddress, type TransportAddress } from '@parley/nat';
import type { BoundTls } from './tls-front.ts';

/** The wire names eight servers at most: enough of each kind for two addresses. */
const MAX_UDP = 4;
const MAX_TLS = 2;
const MAX_TCP = 2;

/** TURN over TLS as URIs (RFC 7065), by the names for which the certificate is good. */
export function turnsUris(tls: readonly BoundTls[]): readonly string[] {
  const uris = tls.flatMap(({ host, port }) =>
    host === undefined ? [] : [`turns:${bracketed(host)}:${port}?transport=tcp`],
  );
  return [...new Set(uris)];
}

/** How devices are told of this relay: UDP as `host:port`, other transports as URIs (RFC 7065). */
export function turnServers(
  visible: readonly TransportAddress[],
  tls: readonly BoundTls[],
): readonly string[] {
  const addresses = visible.map(formatTransportAddress);
  return [
    ...addresses.slice(0, MAX_UDP),
    ...turnsUris(tls).slice(0, MAX_TLS),
    ...addresses.slice(0, MAX_TCP).map((address) => `turn:${address}?transport=tcp`),
  ];
}

/** The same where the home does not relay: the first of those elsewhere stands in for its own. */
export function serversElsewhere(others: readonly string[]): {
  readonly servers: readonly string[];
  readonly backups: readonly string[];
} {
  const [main, ...backups] = others;
  return { servers: main === undefined ? [] : [main, `turn:${main}?transport=tcp`], backups };
}

/** Of `address:port`, without brackets. */
export function hostOf(transportAddress: string): string {
  return transportAddress.slice(0, transportAddress.lastIndexOf(':')).replace(/^\[|\]$/g, '');
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
