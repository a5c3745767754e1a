import type { TransportAddress } from '../net/transport-address.ts';
import type { Instant } from '../time/instant.ts';

/** A UDP datagram on its way through the virtual network. Boxes make a new one to rewrite addresses. */
export interface Packet {
  readonly source: TransportAddress;
  readonly destination: TransportAddress;
  readonly bytes: Uint8Array;
}

export type PacketDropReason =
  | 'lost'
  | 'no-route'
  | 'no-listener'
  | 'udp-blocked'
  | 'no-mapping'
  | 'filtered'
  | 'hairpin-refused'
  | 'no-free-port';

/** What happened to a packet, for counting and for reading a failed test. `place` names the host or box. */
export type PacketEvent =
  | {
      readonly kind: 'sent' | 'delivered';
      readonly place: string;
      readonly packet: Packet;
      readonly at: Instant;
    }
  | {
      readonly kind: 'dropped';
      readonly place: string;
      readonly packet: Packet;
      readonly at: Instant;
      readonly reason: PacketDropReason;
    };
