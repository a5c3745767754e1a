import type { NatReport, TransportAddress } from '@parley/nat';
import {
  nodeCrypto,
  UdpEndpoint,
  type EndpointFlow,
  type GatherReport,
  type IcePath,
} from '@parley/nat/node';
import { decodeBase64url, type FlowCredentials, type RelayCredentials, type Welcome } from '@parley/protocol';
import { edgeError } from '../errors.ts';
import { PortMapping } from '../port-mapping/port-mapping.ts';
import { ConnectionTable } from '../session/connection-table.ts';
import type { SendRequest } from '../signalling/signalling.ts';
import { resolveServers, streamServers } from './server-addresses.ts';

/** How the one UDP socket of a client is bound. */
export interface UdpOptions {
  /** Local address and port per family; `false` leaves the family out. @default every interface, any port */
  readonly bind?: {
    readonly ipv4?: { readonly address?: string; readonly port?: number } | false;
    readonly ipv6?: { readonly address?: string; readonly port?: number } | false;
  };
  /** Offers loopback addresses too: two clients on one machine. @default false */
  readonly includeLoopback?: boolean;
  /**
   * Asks the default gateway for a port of its own, by PCP, NAT-PMP or UPnP, so that sessions are direct behind NATs that can't be
   * opened from inside. Off unless asked for: it opens a port of somebody's router, which its owner may not want.
   * @default false
   */
  readonly portMapping?: boolean;
}

/** Whom a client trusts over TLS: its supernode, and TURN where UDP is blocked. */
export interface TlsOptions {
  /** PEM certificates of authorities. @default those of the process, as for any HTTPS client */
  readonly ca?: readonly string[];
}

/** What a session's path is made with. */
export interface PathOptions {
  readonly role: 'controlling' | 'controlled';
  readonly dataKey: string;
  readonly policy: 'any' | 'direct-only' | 'relay-only';
  readonly holdDirect: boolean;
}

const GATHER_TIMEOUT_MS = 1500;
/** So long nobody asks where else relays are. */
const RELAYS_FRESH_MS = 60_000;
/** The same for a relayed session that has none to fall back on: the death of its relay would end it. */
const NO_BACKUPS_FRESH_MS = 15_000;

/** The one UDP socket of a client, for all its sessions: opened and gathered when it connects, before any session. */
export class ClientEndpoint {
  readonly #endpoint: UdpEndpoint;
  /** By QUIC connection id, the session it belongs to. */
  readonly #owners: ConnectionTable;
  readonly #tls: TlsOptions;
  readonly #portMapping: PortMapping | undefined;
  /** What is in use, in a form that can be compared. */
  #servers = '';
  #stun: readonly TransportAddress[] = [];
  #request: SendRequest | undefined;
  /** By the monotonic clock. */
  #relaysAskedAt = 0;
  #hasBackups = false;
  /** Runs while there are paths. */
  #relayWatch: NodeJS.Timeout | undefined;
  #gathered: Promise<GatherReport | undefined> = Promise.resolve(undefined);
  #hasGathered = false;

  private constructor(
    endpoint: UdpEndpoint,
    owners: ConnectionTable,
    tls: TlsOptions,
    hasPortMapping: boolean,
  ) {
    this.#endpoint = endpoint;
    this.#tls = tls;
    const socket = hasPortMapping
      ? endpoint.boundAddresses.find(({ family }) => family === 'ipv4')
      : undefined;
    this.#portMapping =
      socket && new PortMapping({ socket, onMapped: (address) => endpoint.setMappedAddress(address) });
    this.#owners = owners;
  }

  /** @throws EDGE_UDP_UNAVAILABLE */
  static async open(options: UdpOptions, tls: TlsOptions = {}): Promise<ClientEndpoint> {
    const owners = new ConnectionTable();
    try {
      const endpoint = await UdpEndpoint.open({
        crypto: nodeCrypto,
        demultiplex: (bytes) => owners.ownerOf(bytes),
        ...(options.bind ? { bind: options.bind } : {}),
        includeLoopback: options.includeLoopback ?? false,
      });
      return new ClientEndpoint(endpoint, owners, tls, options.portMapping ?? false);
    } catch (cause) {
      throw edgeError('EDGE_UDP_UNAVAILABLE', { cause });
    }
  }

  /** What the last gathering found; resolves when it is over. */
  get gathered(): Promise<GatherReport | undefined> {
    return this.#gathered;
  }

  /** Calls `listener` when an address shows up that this client did not have: another network, or a NAT that forgot us. */
  onNetworkChange(listener: () => void): () => void {
    return this.#endpoint.onCandidate(({ kind }) => {
      if (this.#hasGathered && kind !== 'relayed') listener();
    });
  }

  /** Uses the servers that the supernode names. The same servers again change nothing: an allocation is kept. */
  async useServers(
    welcome: Pick<Welcome, 'stunServers' | 'relay' | 'flow'>,
    request: SendRequest,
  ): Promise<void> {
    this.#portMapping?.refresh();
    this.#request = request;
    this.#stun = await resolveServers(welcome.stunServers);
    const { relay, flow } = welcome;
    this.#endpoint.setFlow(flow ? await flowOf(flow) : undefined);
    await this.#useRelays(relay ?? undefined, request);
  }

  /** Where a relay can be had may be other supernodes now: homes changed, one drains, or another one joined. */
  async renewRelays(request: SendRequest): Promise<void> {
    await this.#useRelays(await request('relay.renew', {}), request);
  }

  createPath(options: PathOptions): IcePath {
    if (options.policy !== 'direct-only') {
      this.#freshenRelays(RELAYS_FRESH_MS);
      this.#relayWatch ??= setInterval(() => {
        this.#watchRelays();
      }, NO_BACKUPS_FRESH_MS).unref();
    }
    return this.#endpoint.createPath(options);
  }

  /** What is known of the NAT in front of this client, for an offer or an answer; its latest port is sampled where that helps. */
  freshNat(): Promise<NatReport | undefined> {
    return this.#endpoint.freshNat();
  }

  /** Where there is no relay between two flows, the TURN server relays: both ends of a session that has none ask for it. */
  allocateRelay(): void {
    this.#endpoint.allocateRelay();
  }

  async #useRelays(relay: RelayCredentials | undefined, request: SendRequest): Promise<void> {
    this.#relaysAskedAt = performance.now();
    const stun = this.#stun;
    const named = relay?.servers ?? [];
    const [server] = await resolveServers(named);
    const places = { ...(server ? { server } : {}), streams: streamServers(named) };
    const backups = await resolveServers(relay?.backups ?? []);
    this.#hasBackups = backups.length > 0;
    const servers = JSON.stringify([stun, relay ? places : undefined]);
    if (stun.length > 0 && servers === this.#servers) {
      this.#endpoint.setBackups(backups, relay && credentialOf(relay));
      return;
    }
    this.#servers = servers;
    this.#endpoint.setServers({
      stun,
      backups,
      ...(relay ? { turn: { ...places, ...this.#tls, ...credentialOf(relay) } } : {}),
      // The endpoint asks when half of the credential's life is over, so that an allocation never outlives it.
      renewCredential: async () => credentialOf(await request('relay.renew', {})),
    });
    this.#hasGathered = false;
    this.#gathered = this.#endpoint.gather({ timeoutMs: GATHER_TIMEOUT_MS });
    await this.#gathered;
    this.#hasGathered = true;
  }

  /** A session lives for longer than supernodes do: who may relay when its own relay dies is asked for while it is relayed. */
  #watchRelays(): void {
    const { paths, relayedPaths } = this.#endpoint.stats();
    if (paths === 0) this.#stopWatchingRelays();
    else if (relayedPaths > 0) this.#freshenRelays(this.#hasBackups ? RELAYS_FRESH_MS : NO_BACKUPS_FRESH_MS);
  }

  #stopWatchingRelays(): void {
    clearInterval(this.#relayWatch);
    this.#relayWatch = undefined;
  }

  /** A supernode that drains, or is gone, is not among those that are named now. */
  #freshenRelays(freshMs: number): void {
    const request = this.#request;
    if (!request || performance.now() - this.#relaysAskedAt < freshMs) return;
    this.#relaysAskedAt = performance.now();
    // Without an answer those of before serve: nothing that a session needs depends on it.
    this.renewRelays(request).catch(() => undefined);
  }

  /**
   * Directs packets with these connection ids to a session. Returns the function that gives them free.
   *
   * @throws EDGE_FLIGHT_INVALID when another session has one of them: the caller of a session chooses its first id
   */
  claim(connectionIds: readonly string[], dataKey: string): () => void {
    if (connectionIds.some((id) => this.#owners.has(id))) throw edgeError('EDGE_FLIGHT_INVALID');
    for (const id of connectionIds) this.#owners.add(id, dataKey);
    return () => {
      for (const id of connectionIds) this.#owners.delete(id);
    };
  }

  stats(): ReturnType<UdpEndpoint['stats']> {
    return this.#endpoint.stats();
  }

  /** What went wrong with the port of the gateway. */
  portMappingDrops(): Readonly<Partial<Record<string, number>>> {
    return this.#portMapping?.drops() ?? {};
  }

  async close(): Promise<void> {
    this.#stopWatchingRelays();
    await this.#portMapping?.close();
    await this.#endpoint.close();
  }
}

async function flowOf({ id, key, servers }: FlowCredentials): Promise<EndpointFlow | undefined> {
  const [flowId, flowKey] = [decodeBase64url(id), decodeBase64url(key)];
  return flowId && flowKey ? { flowId, key: flowKey, servers: await resolveServers(servers) } : undefined;
}

function credentialOf(relay: RelayCredentials) {
  return { username: relay.username, password: relay.password, ttlSeconds: relay.ttlSeconds };
}
