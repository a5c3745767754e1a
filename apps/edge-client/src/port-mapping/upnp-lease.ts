import type { TransportAddress } from '@parley/nat';
import { searchGateway } from './ssdp-search.ts';
import { deleteMapping, readDescription, type UpnpDescription } from './upnp-description.ts';
import { mapByUpnp } from './upnp-mapper.nat-port-mapper.ts';

const SEARCH_MS = 2500;
const REQUEST_MS = 3000;
const CLOSE_MS = 1000;
const LIFETIME_SECONDS = 3600;

/** Why a gateway gave no port by UPnP. */
export type UpnpFailure = 'upnp-silent' | 'upnp-no-service' | 'upnp-version-1' | 'upnp-bad-address';

export interface UpnpLeaseOptions {
  readonly gateway: string;
  /** Our address on the way to the gateway. */
  readonly client: string;
  readonly internalPort: number;
  /** Ends the search; a port that is being given is awaited, so that it can be given back. */
  readonly signal: AbortSignal;
}

/** A port that a gateway gave by UPnP, for an hour at a time. */
export class UpnpLease {
  external: TransportAddress;
  readonly renewAfterMs = (LIFETIME_SECONDS * 1000) / 2;
  readonly #description: UpnpDescription;
  readonly #options: UpnpLeaseOptions;

  private constructor(description: UpnpDescription, external: TransportAddress, options: UpnpLeaseOptions) {
    this.#description = description;
    this.#options = options;
    this.external = external;
  }

  /** @throws what `fetch` and the library throw */
  static async obtain(options: UpnpLeaseOptions): Promise<UpnpLease | UpnpFailure> {
    const location = await searchGateway(options.gateway, SEARCH_MS, options.signal);
    if (location === undefined) return 'upnp-silent';
    const description = await readDescription(
      location,
      AbortSignal.any([options.signal, AbortSignal.timeout(REQUEST_MS)]),
    );
    if (description === undefined) return 'upnp-no-service';
    if (description.version === 1) return 'upnp-version-1';
    const external = await request(description, options);
    return external === undefined ? 'upnp-bad-address' : new UpnpLease(description, external, options);
  }

  /** False: the gateway gives no usable address any more. @throws what the library throws */
  async renew(): Promise<boolean> {
    const external = await request(this.#description, this.#options, this.external.port);
    if (external === undefined) return false;
    this.external = external;
    return true;
  }

  /** Gives the port back; true when the gateway says that it took it. @throws what `fetch` throws */
  release(): Promise<boolean> {
    return deleteMapping(this.#description, this.external.port, AbortSignal.timeout(CLOSE_MS));
  }
}

function request(
  description: UpnpDescription,
  { client, internalPort }: UpnpLeaseOptions,
  externalPort?: number,
): Promise<TransportAddress | undefined> {
  return mapByUpnp({
    description,
    client,
    internalPort,
    ...(externalPort === undefined ? {} : { externalPort }),
    lifetimeSeconds: LIFETIME_SECONDS,
    signal: AbortSignal.timeout(REQUEST_MS),
  });
}
