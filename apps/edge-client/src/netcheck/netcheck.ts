import type { AddressFamily, NatBehaviourReport, TransportAddress } from '@parley/nat';
import type { RelayCredentials, Welcome } from '@parley/protocol';
import { edgeError } from '../errors.ts';
import { checkGateway, type GatewayCheck } from '../port-mapping/gateway-check.ts';
import type { TlsOptions } from '../rendezvous/client-endpoint.ts';
import { resolveServers, streamServers } from '../rendezvous/server-addresses.ts';
import { checkBehaviour } from './behaviour-check.ts';
import { crossCheck, type CrossCheck } from './reflexive-cross-check.ts';
import { checkRelay, type RelayCheck, type TlsRelayCheck } from './relay-check.ts';

/** Options of a network check. */
export interface NetcheckOptions {
  /** How long one part may take, in milliseconds. @default 5000 */
  readonly timeoutMs?: number;
  /** Called as each part begins. */
  readonly onProgress?: (step: NetcheckStep) => void;
}

/** The parts of a network check, in their order. */
export type NetcheckStep =
  'behaviour-ipv4' | 'behaviour-ipv6' | 'cross-check' | 'relay' | 'relay-tls' | 'port-mapping';

/** How this network treats UDP, in the words of RFC 4787. */
export interface NetcheckReport {
  /** Undefined where the supernode has no address of the family. */
  readonly ipv4: NatBehaviourReport | undefined;
  readonly ipv6: NatBehaviourReport | undefined;
  /** The reflexive address by an independent implementation; `agrees` undefined when one of the two has none. */
  readonly crossCheck: (CrossCheck & { readonly agrees: boolean | undefined }) | undefined;
  /** Undefined when the supernode gives no relay. */
  readonly relay: RelayCheck | undefined;
  /** What is left where UDP is blocked. Undefined when the supernode gives no relay over TLS. */
  readonly relayOverTls: TlsRelayCheck | undefined;
  /** In which protocols the default gateway gives out ports, whether or not this client uses them. */
  readonly portMapping: GatewayCheck;
}

/** @throws EDGE_NETCHECK_FAILED when the supernode names nothing to measure against */
export async function runNetcheck(
  welcome: Welcome,
  renewRelay: () => Promise<RelayCredentials>,
  options: NetcheckOptions,
  tls: TlsOptions = {},
): Promise<NetcheckReport> {
  const step = (name: NetcheckStep) => options.onProgress?.(name);
  const servers = await resolveServers(welcome.stunServers);
  const ofFamily = (family: AddressFamily) => servers.filter((server) => server.family === family);
  const [firstIpv4] = ofFamily('ipv4');
  if (servers.length === 0 && !welcome.relay) throw edgeError('EDGE_NETCHECK_FAILED');
  step('behaviour-ipv4');
  const ipv4 = firstIpv4 && (await checkBehaviour('ipv4', ofFamily('ipv4')));
  step('behaviour-ipv6');
  const ipv6 = ofFamily('ipv6').length > 0 ? await checkBehaviour('ipv6', ofFamily('ipv6')) : undefined;
  step('cross-check');
  const independent = firstIpv4 && (await crossCheck(firstIpv4));
  step('relay');
  const timeoutMs = options.timeoutMs ?? 5000;
  // A fresh credential: the one of the welcome may be past its life by now.
  const credential = welcome.relay ? await renewRelay() : undefined;
  const relay = credential && (await overUdp(credential, timeoutMs));
  step('relay-tls');
  const relayOverTls = credential && (await overTls(credential, tls, timeoutMs));
  step('port-mapping');
  const portMapping = await checkGateway(timeoutMs);
  return {
    ipv4,
    ipv6,
    crossCheck: independent && { ...independent, agrees: agreement(independent, ipv4?.reflexiveAddress) },
    relay,
    relayOverTls,
    portMapping,
  };
}

async function overUdp(credential: RelayCredentials, timeoutMs: number): Promise<RelayCheck | undefined> {
  const [server] = await resolveServers(credential.servers);
  return server && { server, ...(await checkRelay({ server, ...signInOf(credential) }, timeoutMs)) };
}

async function overTls(
  credential: RelayCredentials,
  tls: TlsOptions,
  timeoutMs: number,
): Promise<TlsRelayCheck | undefined> {
  const server = streamServers(credential.servers).find(({ transport }) => transport === 'tls');
  if (!server) return undefined;
  const turn = { streams: [server], ...tls, ...signInOf(credential) };
  return { host: server.host, port: server.port, ...(await checkRelay(turn, timeoutMs)) };
}

function signInOf({ username, password }: RelayCredentials) {
  return { username, password };
}

function agreement({ address }: CrossCheck, ours: TransportAddress | undefined): boolean | undefined {
  return address === undefined || !ours ? undefined : address === ours.address;
}
