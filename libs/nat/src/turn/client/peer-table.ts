import { transportAddressKey, type TransportAddress } from '../../net/transport-address.ts';
import { CHANNEL_NUMBER_MAX, CHANNEL_NUMBER_MIN } from '../channel-data.ts';

/** What a client holds or wants for one peer IP address: permissions know no ports (RFC 8656 section 9). */
export interface PeerPermission {
  readonly address: string;
  /** Peers at that address for whom `permit` or `bind-channel` was asked and not released, by key. */
  readonly wantedBy: Map<string, TransportAddress>;
  /** Peers that still have to be told `permitted`. */
  readonly awaiting: Map<string, TransportAddress>;
  isInstalled: boolean;
  isRequested: boolean;
}

/** The channel of one peer. A peer keeps its number for the life of the client, so no number is ever bound to two peers. */
export interface PeerChannel {
  readonly peer: TransportAddress;
  readonly number: number;
  isWanted: boolean;
  isBound: boolean;
  isRequested: boolean;
}

/** The permissions and channels of one client. */
export class PeerTable {
  private readonly permissionsByAddress = new Map<string, PeerPermission>();
  private readonly channelsByPeer = new Map<string, PeerChannel>();
  private readonly channelsByNumber = new Map<number, PeerChannel>();

  permissions(): Iterable<PeerPermission> {
    return this.permissionsByAddress.values();
  }

  channels(): Iterable<PeerChannel> {
    return this.channelsByPeer.values();
  }

  permissionOf(peer: TransportAddress): PeerPermission | undefined {
    return this.permissionsByAddress.get(peer.address);
  }

  channelOf(peer: TransportAddress): PeerChannel | undefined {
    return this.channelsByPeer.get(transportAddressKey(peer));
  }

  channelByNumber(number: number): PeerChannel | undefined {
    return this.channelsByNumber.get(number);
  }

  wantPermission(peer: TransportAddress): PeerPermission {
    let permission = this.permissionsByAddress.get(peer.address);
    if (permission === undefined) {
      permission = {
        address: peer.address,
        wantedBy: new Map(),
        awaiting: new Map(),
        isInstalled: false,
        isRequested: false,
      };
      this.permissionsByAddress.set(peer.address, permission);
    }
    permission.wantedBy.set(transportAddressKey(peer), peer);
    return permission;
  }

  /** `undefined` when all numbers are taken. */
  wantChannel(peer: TransportAddress): PeerChannel | undefined {
    const key = transportAddressKey(peer);
    let channel = this.channelsByPeer.get(key);
    if (channel === undefined) {
      const number = CHANNEL_NUMBER_MIN + this.channelsByPeer.size;
      if (number > CHANNEL_NUMBER_MAX) return undefined;
      channel = { peer, number, isWanted: true, isBound: false, isRequested: false };
      this.channelsByPeer.set(key, channel);
      this.channelsByNumber.set(number, channel);
    }
    channel.isWanted = true;
    return channel;
  }

  release(peer: TransportAddress): void {
    const key = transportAddressKey(peer);
    const channel = this.channelsByPeer.get(key);
    if (channel !== undefined) channel.isWanted = false;
    const permission = this.permissionsByAddress.get(peer.address);
    permission?.wantedBy.delete(key);
    permission?.awaiting.delete(key);
  }

  forgetPermission(permission: PeerPermission): void {
    this.permissionsByAddress.delete(permission.address);
  }
}
