import { transportAddressKey, type TransportAddress } from '../../net/transport-address.ts';
import type { Allocation, Relay, Reservation } from './allocation.ts';
import type { RelayId } from './turn-server-types.ts';

/** All relays, allocations and reservations of one server, by every key that a datagram or a message brings. */
export class AllocationTable {
  private readonly byTuple = new Map<string, Allocation>();
  private readonly byRelay = new Map<RelayId, Allocation>();
  private readonly byRelayedAddress = new Map<string, Allocation>();
  private readonly boundAddresses = new Set<string>();
  private readonly reservations = new Map<string, Reservation>();
  private readonly relaysByCredential = new Map<string, number>();
  private readonly relaysBySource = new Map<string, number>();
  private relays = 0;

  get size(): number {
    return this.byTuple.size;
  }

  get relayCount(): number {
    return this.relays;
  }

  relaysOfCredential(credentialId: string): number {
    return this.relaysByCredential.get(credentialId) ?? 0;
  }

  relaysOfSource(source: string): number {
    return this.relaysBySource.get(source) ?? 0;
  }

  /** From the moment that the socket is asked for, so that a burst cannot pass the quotas while sockets open. */
  countRelay({ credentialId, source }: Relay): void {
    this.relays += 1;
    add(this.relaysByCredential, credentialId, 1);
    add(this.relaysBySource, source, 1);
  }

  uncountRelay({ credentialId, source }: Relay): void {
    this.relays -= 1;
    add(this.relaysByCredential, credentialId, -1);
    add(this.relaysBySource, source, -1);
  }

  addAllocation(allocation: Allocation): void {
    this.byTuple.set(allocation.key, allocation);
    this.byRelay.set(allocation.relay.id, allocation);
    this.byRelayedAddress.set(transportAddressKey(allocation.relay.advertised), allocation);
    this.boundAddresses.add(transportAddressKey(allocation.relay.bound));
  }

  removeAllocation(allocation: Allocation): void {
    this.byTuple.delete(allocation.key);
    this.byRelay.delete(allocation.relay.id);
    this.byRelayedAddress.delete(transportAddressKey(allocation.relay.advertised));
    this.boundAddresses.delete(transportAddressKey(allocation.relay.bound));
  }

  ofTuple(key: string): Allocation | undefined {
    return this.byTuple.get(key);
  }

  ofRelay(relayId: RelayId): Allocation | undefined {
    return this.byRelay.get(relayId);
  }

  ofRelayedAddress(address: TransportAddress): Allocation | undefined {
    return this.byRelayedAddress.get(transportAddressKey(address));
  }

  /** Also by the address that it is bound to, which is the source where both ends are on this host. */
  isOwnRelay(address: TransportAddress): boolean {
    const key = transportAddressKey(address);
    return this.byRelayedAddress.has(key) || this.boundAddresses.has(key);
  }

  addReservation(reservation: Reservation): void {
    this.reservations.set(reservation.token, reservation);
  }

  takeReservation(token: string): Reservation | undefined {
    const reservation = this.reservations.get(token);
    this.reservations.delete(token);
    return reservation;
  }

  peekReservation(token: string): Reservation | undefined {
    return this.reservations.get(token);
  }

  allReservations(): Iterable<Reservation> {
    return this.reservations.values();
  }

  allAllocations(): Iterable<Allocation> {
    return this.byTuple.values();
  }
}

function add(counts: Map<string, number>, key: string, difference: number): void {
  const count = (counts.get(key) ?? 0) + difference;
  if (count === 0) counts.delete(key);
  else counts.set(key, count);
}
