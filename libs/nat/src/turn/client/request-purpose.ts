import type { NatCrypto } from '../../crypto/crypto.port.ts';
import type { AddressFamily } from '../../net/transport-address.ts';
import { XorPeerAddress } from '../../stun/attributes/address.ts';
import {
  ChannelNumber,
  Lifetime,
  RequestedAddressFamily,
  RequestedTransport,
  TransportProtocol,
} from '../../stun/attributes/turn.ts';
import { StunMessageBuilder } from '../../stun/message-builder.ts';
import { Method } from '../../stun/message-type.ts';
import { newTransactionId } from '../../stun/transaction-id.ts';
import { DEFAULT_LIFETIME_S } from '../limits.ts';
import type { PeerChannel, PeerPermission } from './peer-table.ts';

/** What a request is for; kept so that it can be sent again with another nonce or credential. */
export type RequestPurpose =
  | { readonly kind: 'allocate' }
  /** Deletes an allocation that an earlier client left on the same five-tuple, then allocates again. */
  | { readonly kind: 'clear' }
  | { readonly kind: 'refresh' }
  | { readonly kind: 'deallocate' }
  | { readonly kind: 'permission'; readonly permission: PeerPermission }
  | { readonly kind: 'channel'; readonly channel: PeerChannel };

export interface RequestOptions {
  readonly crypto: NatCrypto;
  readonly relayFamily?: AddressFamily;
  readonly lifetimeSeconds?: number;
}

/** The request with a new transaction id, still without credential. */
export function buildRequest(purpose: RequestPurpose, options: RequestOptions): StunMessageBuilder {
  const { crypto, relayFamily, lifetimeSeconds } = options;
  const request = (method: number): StunMessageBuilder =>
    new StunMessageBuilder('request', method, newTransactionId(crypto));
  switch (purpose.kind) {
    case 'allocate': {
      const builder = request(Method.ALLOCATE).add(RequestedTransport, TransportProtocol.UDP);
      if (relayFamily !== undefined) builder.add(RequestedAddressFamily, relayFamily);
      return lifetimeSeconds === undefined ? builder : builder.add(Lifetime, lifetimeSeconds);
    }
    case 'refresh':
      return request(Method.REFRESH).add(Lifetime, lifetimeSeconds ?? DEFAULT_LIFETIME_S);
    case 'clear':
    case 'deallocate':
      return request(Method.REFRESH).add(Lifetime, 0);
    case 'permission': {
      const { address } = purpose.permission;
      // The port of a CreatePermission is ignored (RFC 8656 section 10.2).
      const peer = { family: address.includes(':') ? 'ipv6' : 'ipv4', address, port: 0 } as const;
      return request(Method.CREATE_PERMISSION).add(XorPeerAddress, peer);
    }
    case 'channel':
      return request(Method.CHANNEL_BIND)
        .add(ChannelNumber, purpose.channel.number)
        .add(XorPeerAddress, purpose.channel.peer);
  }
}
