import { networkInterfaces } from 'node:os';
import type { ConnectionLimits, FlowLimits, PortRange, RelayAddress, TurnQuotas } from '@parley/nat';
import type { TurnListen } from '@parley/nat/node';
import type { EdgeConfig, NatConfig } from '../config/config.schema.ts';

/** Everything that the relay thread needs to start; plain data, because it crosses a thread boundary. */
export interface RelaySettings {
  readonly listen: readonly TurnListen[];
  readonly relay: {
    readonly ipv4?: RelayAddress;
    readonly ipv6?: RelayAddress;
    readonly portRange: PortRange;
  };
  readonly realm: string;
  readonly allowPeers: readonly string[];
  readonly quotas: Partial<TurnQuotas>;
  /** TCP connections of STUN and TURN. @default those of the driver */
  readonly connections?: ConnectionLimits;
  readonly flowLimits?: Partial<FlowLimits>;
}

const SPARE_CONNECTIONS = 256;
const SPARE_CONNECTIONS_PER_SOURCE = 64;

/** What of the settings of a supernode the STUN and TURN servers use. */
export interface TurnConfig {
  readonly hosts: EdgeConfig['hosts'];
  readonly publicAddress: EdgeConfig['publicAddress'];
  readonly nat: NatConfig;
}

/** Addresses of this host that others may reach, by family; replaced in tests. */
export type HostAddresses = () => readonly string[];

export const hostAddresses: HostAddresses = () =>
  Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal, scopeid }) => !internal && (scopeid ?? 0) === 0)
    .map(({ address }) => address);

/** Maps the settings to what is bound and what clients are told. */
export function relaySettings(
  { hosts, publicAddress, nat }: TurnConfig,
  ofHost: HostAddresses = hostAddresses,
): RelaySettings {
  const visible = (host: string): string => {
    if (publicAddress !== undefined && isIpv6(publicAddress) === isIpv6(host)) return publicAddress;
    if (host !== '0.0.0.0' && host !== '::') return host;
    // A wildcard is no address that a peer could send to.
    return (
      ofHost().find((address) => isIpv6(address) === isIpv6(host)) ?? (isIpv6(host) ? '::1' : '127.0.0.1')
    );
  };
  const relayOf = (host: string | undefined): RelayAddress | undefined =>
    host === undefined ? undefined : { bind: host, advertised: visible(host) };
  const ipv4 = relayOf(hosts.find((host) => !isIpv6(host)));
  const ipv6 = relayOf(hosts.find(isIpv6));
  const { altAddress } = nat;
  return {
    listen: hosts.map((host) => ({
      address: host,
      port: nat.stunPort,
      tcp: true,
      publicAddress: visible(host),
      alternatePort: nat.stunAltPort,
      ...(altAddress !== undefined && isIpv6(altAddress) === isIpv6(host)
        ? { alternateAddress: altAddress }
        : {}),
    })),
    relay: {
      ...(ipv4 === undefined ? {} : { ipv4 }),
      ...(ipv6 === undefined ? {} : { ipv6 }),
      portRange: nat.relayPortRange,
    },
    realm: nat.realm,
    allowPeers: nat.allowPeers,
    quotas: {
      allocations: nat.maxAllocations,
      allocationsPerCredential: nat.maxAllocationsPerUser,
      allocationsPerAddress: nat.maxAllocationsPerAddress,
    },
    // An allocation needs one connection; some more are on their way to one.
    connections: {
      connections: nat.maxAllocations + SPARE_CONNECTIONS,
      connectionsPerSource: nat.maxAllocationsPerAddress + SPARE_CONNECTIONS_PER_SOURCE,
    },
    flowLimits: { bytesPerSecond: nat.relayBytesPerSecond },
  };
}

function isIpv6(address: string): boolean {
  return address.includes(':');
}
