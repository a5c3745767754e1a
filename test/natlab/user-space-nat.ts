import { instant, type TransportAddress } from '@parley/nat';
import { type NatBehaviour, NatTable, SeededRandom } from '@parley/nat/testing';
import { endpointOf, isWholeUdp, type PacketEnd, replaceEndpoint } from './ipv4-udp.ts';

export interface UserSpaceNatOptions {
  /** The address on the public side. */
  readonly external: string;
  readonly behaviour: NatBehaviour;
  /** The same seed, the same random ports. */
  readonly seed: number;
}

/** Translates UDP of IPv4 packets with the table of the virtual NAT boxes, for behaviours that the kernel lacks. */
export class UserSpaceNat {
  /** Packets that were no whole UDP datagram, came unasked or found no free port. */
  dropped = 0;
  readonly #options: UserSpaceNatOptions;
  readonly #random: SeededRandom;
  #table: NatTable;

  constructor(options: UserSpaceNatOptions) {
    this.#options = options;
    this.#random = new SeededRandom(options.seed);
    this.#table = this.#emptyTable();
  }

  /** Rewrites a packet in place; false when it goes no further. `now` in milliseconds. */
  translate(packet: Buffer, now: number): boolean {
    const isPassed =
      isWholeUdp(packet) &&
      (this.#isInbound(packet) ? this.#inbound(packet, now) : this.#outbound(packet, now));
    if (!isPassed) this.dropped += 1;
    return isPassed;
  }

  /** Forgets every mapping, as a router that lost its power. */
  forget(): void {
    this.#table = this.#emptyTable();
  }

  #emptyTable(): NatTable {
    return new NatTable(this.#options.behaviour, [this.#options.external], this.#random);
  }

  #isInbound(packet: Buffer): boolean {
    return endpointOf(packet, 'destination').address === this.#options.external;
  }

  #outbound(packet: Buffer, now: number): boolean {
    const external = this.#table.outbound(at(packet, 'source'), at(packet, 'destination'), instant(now));
    if (external !== undefined) replaceEndpoint(packet, 'source', external);
    return external !== undefined;
  }

  #inbound(packet: Buffer, now: number): boolean {
    const result = this.#table.inbound(at(packet, 'destination'), at(packet, 'source'), instant(now));
    if (result.ok) replaceEndpoint(packet, 'destination', result.internal);
    return result.ok;
  }
}

function at(packet: Buffer, end: PacketEnd): TransportAddress {
  return { family: 'ipv4', ...endpointOf(packet, end) };
}
