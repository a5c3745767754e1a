import type { AddressFamily, NatBehaviourReport, TransportAddress } from '@parley/nat';
import type { RelayCredentials, Welcome } from '@parley/protocol';
import { edgeError } from '../errors.ts';
import { resolveServers } from '../rendezvous/server-addresses.ts';
import { checkBehaviour } from './behaviour-check.ts';
import { crossCheck, type CrossCheck } from './reflexive-cross-check.ts';
import { checkRelay, type RelayCheck } from './relay-check.ts';

/** Options of a network check. */
export interface NetcheckOptions {
  /** How long one part may take, in milliseconds. @default 5000 */
  readonly timeoutMs?: number;
  /** Called as each part begins. */
  readonly onProgress?: (step: NetcheckStep) => void;
}

/** The parts of a network check, in their order. */
export type NetcheckStep = 'behaviour-ipv4' | 'behaviour-ipv6' | 'cross-check' | 'relay';

/** How this network treats UDP, in the words of RFC 4787. */
export interface NetcheckReport {
  /** Undefined where the supernode has no address of the family. */
  readonly ipv4: NatBehaviourReport | undefined;
  readonly ipv6: NatBehaviourReport | undefined;
  /** The reflexive address by an independent implementation; `agrees` undefined when one of the two has none. */
  readonly crossCheck: (CrossCheck & { readonly agrees: boolean | undefined }) | undefined;
  /** Undefined when the supernode gives no relay. */
  readonly relay: RelayCheck | undefined;
}

/** @throws EDGE_NETCHECK_FAILED when the supernode names nothing to measure against */
export async function runNetcheck(
  welcome: Welcome,
  renewRelay: () => Promise<RelayCredentials>,
  options: NetcheckOptions,
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
  const relay = await relayPart(welcome, renewRelay, options.timeoutMs ?? 5000);
  return {
    ipv4,
    ipv6,
    crossCheck: independent && { ...independent, agrees: agreement(independent, ipv4?.reflexiveAddress) },
    relay,
  };
}

async function relayPart(
  welcome: Welcome,
  renewRelay: () => Promise<RelayCredentials>,
  timeoutMs: number,
): Promise<RelayCheck | undefined> {
  if (!welcome.relay) return undefined;
  // A fresh credential: the one of the welcome may be past its life by now.
  const credential = await renewRelay();
  const [server] = await resolveServers(credential.servers);
  return server && checkRelay(server, credential, timeoutMs);
}

function agreement({ address }: CrossCheck, ours: TransportAddress | undefined): boolean | undefined {
  return address === undefined || !ours ? undefined : address === ours.address;
}
