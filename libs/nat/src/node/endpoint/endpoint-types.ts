import type { NatCrypto } from '../../crypto/crypto.port.ts';
import type { IceCandidate } from '../../ice/candidate.ts';
import type { IcePolicy } from '../../ice/ice-io.ts';
import type { IceRole } from '../../ice/ice-role.ts';
import type { TransportAddress } from '../../net/transport-address.ts';
import type { Instant } from '../../time/instant.ts';

export interface BindOptions {
  /** @default the wildcard address */
  readonly address?: string;
  /** @default 0, a free port */
  readonly port?: number;
}

export interface EndpointLogEntry {
  readonly event: string;
  readonly [field: string]: unknown;
}

export interface UdpEndpointOptions {
  readonly crypto: NatCrypto;
  /**
   * Names the path of a datagram that is neither STUN nor TURN: the `dataKey` that the path was created with. `undefined`
   * counts a drop. Runs for every datagram, of anybody.
   */
  readonly demultiplex: (bytes: Uint8Array) => string | undefined;
  /** `false` leaves a family out. @default both families, wildcard address, free port; a family that the host lacks is left out */
  readonly bind?: { readonly ipv4?: BindOptions | false; readonly ipv6?: BindOptions | false };
  /** For tests and for several clients on one machine without a network. @default false */
  readonly includeLoopback?: boolean;
  /** @default 8 */
  readonly maxHostCandidates?: number;
  /** @default the process's monotonic clock */
  readonly clock?: { now(): Instant };
  /** One line per transition; no addresses. */
  readonly onLog?: (entry: EndpointLogEntry) => void;
}

export interface RenewedCredential {
  readonly username: string;
  readonly password: string;
  /** How long it is valid from now on: a new one is asked for at half of it. */
  readonly ttlSeconds?: number;
}

/** How a client reaches its TURN server. */
export type RelayTransport = 'udp' | 'tcp' | 'tls';

/** A TURN server for where UDP gives no answer. */
export interface TurnStreamServer {
  readonly transport: 'tcp' | 'tls';
  /** Name or IP address; over TLS the certificate must be good for it. */
  readonly host: string;
  readonly port: number;
}

export interface TurnServer extends RenewedCredential {
  /** Over UDP. */
  readonly server?: TransportAddress;
  /** The same server over other transports, tried in turn where UDP gives no answer. @default none */
  readonly streams?: readonly TurnStreamServer[];
  /** PEM certificates of the authorities to trust over TLS. @default those of the process */
  readonly ca?: readonly string[];
}

export interface EndpointServers {
  readonly stun: readonly TransportAddress[];
  readonly turn?: TurnServer;
  /** TURN over UDP at other supernodes, with the credential of `turn`: asked for an allocation once a path stays relayed. */
  readonly backups?: readonly TransportAddress[];
  /** Asked for when the TURN credential is past half its life or was refused. */
  readonly renewCredential?: () => Promise<RenewedCredential>;
}

export interface ReflexiveReport {
  readonly server: TransportAddress;
  /** The bound address that asked. */
  readonly local: TransportAddress;
  readonly address?: TransportAddress;
  readonly rttMs?: number;
  readonly error?: string;
}

export interface RelayReport {
  /** Undefined where no connection came about. */
  readonly server?: TransportAddress;
  readonly transport?: RelayTransport;
  readonly address?: TransportAddress;
  readonly rttMs?: number;
  readonly error?: string;
}

export interface GatherReport {
  readonly candidates: readonly IceCandidate[];
  readonly reflexive: readonly ReflexiveReport[];
  readonly relay?: RelayReport;
}

export interface CreatePathOptions {
  /** The caller is controlling. */
  readonly role: IceRole;
  /** What `demultiplex` returns for the data of this path. */
  readonly dataKey: string;
  /** @default 'any' */
  readonly policy?: IcePolicy;
  /** Hide our addresses from the peer until `releaseDirect()`. @default false */
  readonly holdDirect?: boolean;
  /** @default random */
  readonly tiebreaker?: bigint;
}

export interface TrafficCount {
  datagramsIn: number;
  datagramsOut: number;
  bytesIn: number;
  bytesOut: number;
}

/** Data of sessions, without checks and without the framing of the relay. */
export interface EndpointStats {
  readonly direct: Readonly<TrafficCount>;
  readonly relay: Readonly<TrafficCount>;
  readonly drops: Readonly<Record<string, number>>;
  readonly paths: number;
  /** Of those, whose data travels through a relay now. */
  readonly relayedPaths: number;
}
