import { probePortMapping } from '@parley/nat/node';
import { findDefaultGateway } from './default-gateway.ts';
import { searchGateway } from './ssdp-search.ts';
import { readDescription } from './upnp-description.ts';

/** In which protocols the default gateway gives out ports. Nothing is mapped to find out. */
export interface GatewayCheck {
  /** Undefined where this machine has no IPv4 default gateway. */
  readonly gateway: string | undefined;
  readonly pcp: boolean;
  readonly natPmp: boolean;
  /** Version of its WANIPConnection service; undefined: no UPnP. */
  readonly upnp: 1 | 2 | undefined;
}

const MAX_TIMEOUT_MS = 2000;

/** Failures are answers: the gateway does not speak that protocol with us. */
export async function checkGateway(timeoutMs: number): Promise<GatewayCheck> {
  const limitMs = Math.min(timeoutMs, MAX_TIMEOUT_MS);
  const gateway = await findDefaultGateway().catch(() => undefined);
  if (gateway === undefined) return { gateway, pcp: false, natPmp: false, upnp: undefined };
  const [spoken, upnp] = await Promise.all([
    probePortMapping(gateway, limitMs).catch(() => ({ pcp: false, natPmp: false })),
    upnpVersion(gateway, limitMs).catch(() => undefined),
  ]);
  return { gateway, ...spoken, upnp };
}

async function upnpVersion(gateway: string, timeoutMs: number): Promise<1 | 2 | undefined> {
  const location = await searchGateway(gateway, timeoutMs);
  return location && (await readDescription(location, AbortSignal.timeout(timeoutMs)))?.version;
}
