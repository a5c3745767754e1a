import { formatIpAddress, parseIpAddress } from '../../net/ip-address.ts';
import type { TransportAddress } from '../../net/transport-address.ts';
import { ipPrefix, prefixContains, type IpPrefix } from './ip-prefix.ts';
import { embeddedIpv4, isSpecialPurpose } from './special-purpose.ts';

/** Inclusive at both ends. */
export interface PortRange {
  readonly min: number;
  readonly max: number;
}

export interface PeerPolicyOptions {
  /** CIDR ranges to which nothing but "port 0" is refused; for labs. @default none */
  readonly allow?: readonly string[];
  /**
   * Addresses at which relays of this deployment (own and those of the roster) are reached. Their relay ports are always
   * permitted, so that both sides of a session may be relayed; all their other ports never are. @default none
   */
  readonly relayAddresses?: readonly string[];
  /** The relay ports at `relayAddresses`. */
  readonly relayPortRange: PortRange;
  /** Peers below are refused: behind them are services (DNS, NTP, ...) that make good reflectors. @default 1024 */
  readonly minimumPeerPort?: number;
}

export type PeerRefusal =
  'peer-not-an-address' | 'peer-port-zero' | 'peer-special-purpose' | 'peer-own-address' | 'peer-low-port';

const DEFAULT_MINIMUM_PEER_PORT = 1024;

/** Decides to whom the relay may send. Refuses by default whatever is not plainly a host of the public internet. */
export class PeerPolicy {
  private readonly allow: readonly IpPrefix[];
  private readonly relayPortRange: PortRange;
  private readonly minimumPeerPort: number;
  private relayAddresses = new Set<string>();

  constructor(options: PeerPolicyOptions) {
    this.allow = (options.allow ?? []).map(ipPrefix);
    this.relayPortRange = options.relayPortRange;
    this.minimumPeerPort = options.minimumPeerPort ?? DEFAULT_MINIMUM_PEER_PORT;
    this.setRelayAddresses(options.relayAddresses ?? []);
  }

  /** Replaces the relay addresses (the roster changed). */
  setRelayAddresses(addresses: readonly string[]): void {
    this.relayAddresses = new Set(addresses);
  }

  /** For CreatePermission, which names an address without a port (RFC 8656 section 10.2). */
  refusalOfAddress({ address }: TransportAddress): PeerRefusal | undefined {
    const bytes = parseIpAddress(address);
    if (bytes === undefined) return 'peer-not-an-address';
    const spellings = [bytes, ...embeddedIpv4(bytes)];
    if (this.isAllowed(spellings)) return undefined;
    if (this.isOwn(spellings)) return undefined;
    return spellings.some(isSpecialPurpose) ? 'peer-special-purpose' : undefined;
  }

  /** For ChannelBind and Send, where the port is known. */
  refusalOfPeer(peer: TransportAddress): PeerRefusal | undefined {
    if (peer.port === 0) return 'peer-port-zero';
    const bytes = parseIpAddress(peer.address);
    if (bytes === undefined) return 'peer-not-an-address';
    const spellings = [bytes, ...embeddedIpv4(bytes)];
    if (this.isAllowed(spellings)) return undefined;
    if (this.isOwn(spellings)) {
      const { min, max } = this.relayPortRange;
      return peer.port >= min && peer.port <= max ? undefined : 'peer-own-address';
    }
    if (spellings.some(isSpecialPurpose)) return 'peer-special-purpose';
    return peer.port < this.minimumPeerPort ? 'peer-low-port' : undefined;
  }

  private isAllowed(spellings: readonly Uint8Array[]): boolean {
    return (
      this.allow.length > 0 &&
      spellings.some((bytes) => this.allow.some((prefix) => prefixContains(prefix, bytes)))
    );
  }

  private isOwn(spellings: readonly Uint8Array[]): boolean {
    return (
      this.relayAddresses.size > 0 &&
      spellings.some((bytes) => this.relayAddresses.has(formatIpAddress(bytes)))
    );
  }
}
