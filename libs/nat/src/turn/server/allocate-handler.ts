/** Allocate (RFC 8656 section 7.2), steps in the order of the RFC. */
import { canonicalIpAddress } from '../../net/ip-address.ts';
import { sourcePrefix } from '../../net/source-prefix.ts';
import type { AddressFamily, TransportAddress } from '../../net/transport-address.ts';
import { XorMappedAddress, XorRelayedAddress } from '../../stun/attributes/address.ts';
import { AddressErrorCode } from '../../stun/attributes/error.ts';
import { ReservationToken } from '../../stun/attributes/opaque.ts';
import { AdditionalAddressFamily, Lifetime } from '../../stun/attributes/turn.ts';
import { REASON_PHRASES, StunErrorCode, type StunErrorCodeNumber } from '../../stun/error-code.ts';
import { StunMessageBuilder } from '../../stun/message-builder.ts';
import { transactionIdKey } from '../../stun/transaction-id.ts';
import { after, type Instant } from '../../time/instant.ts';
import { RELAY_PORT_ATTEMPTS, RESERVATION_LIFETIME_S } from '../limits.ts';
import { releaseRelay } from './allocation-end.ts';
import type { Allocation, Relay } from './allocation.ts';
import { grantedLifetime } from './lifetime.ts';
import { relayWishOf, type RelayWish } from './relay-wish.ts';
import type { AuthenticatedRequest, ServerState } from './server-state.ts';
import type { RelayId } from './turn-server-types.ts';

const RESERVATION_TOKEN_BYTES = 8;

/** An Allocate whose relay sockets are being opened. */
interface Opening {
  readonly request: AuthenticatedRequest;
  readonly wish: RelayWish;
  /** The relay, and for a pair the one that will be reserved. */
  relays: readonly Relay[];
  readonly opened: Set<RelayId>;
  attemptsLeft: number;
}

export class AllocateHandler {
  private readonly state: ServerState;
  private readonly openingsByTuple = new Map<string, Opening>();
  private readonly openingsByRelay = new Map<RelayId, Opening>();
  private lastRelayId = 0;

  constructor(state: ServerState) {
    this.state = state;
  }

  isOpening(key: string): boolean {
    return this.openingsByTuple.has(key);
  }

  handle(request: AuthenticatedRequest, now: Instant): void {
    const { state } = this;
    if (this.isOpening(request.key)) {
      state.drop('allocation-opening');
      return;
    }
    const existing = state.table.ofTuple(request.key);
    if (existing !== undefined) {
      if (existing.transactionKey === transactionIdKey(request.message.transactionId)) {
        state.emit({ kind: 'send', to: request.tuple, bytes: existing.response });
      } else {
        state.refuse(request, StunErrorCode.ALLOCATION_MISMATCH);
      }
      return;
    }
    const wish = relayWishOf(request.message);
    if (typeof wish === 'number') {
      state.refuse(request, wish);
      return;
    }
    if (state.options.relay[wish.family] === undefined) {
      state.refuse(request, StunErrorCode.ADDRESS_FAMILY_NOT_SUPPORTED);
      return;
    }
    const token = wish.reservationToken;
    if (token !== undefined) this.takeReserved(request, token, now);
    else this.open({ request, wish, relays: [], opened: new Set(), attemptsLeft: RELAY_PORT_ATTEMPTS });
  }

  relayOpened(relayId: RelayId, now: Instant): void {
    const opening = this.openingsByRelay.get(relayId);
    if (opening === undefined) {
      this.state.drop('unknown-relay');
      return;
    }
    opening.opened.add(relayId);
    if (opening.opened.size < opening.relays.length) return;
    this.forget(opening);
    const [relay, reserved] = opening.relays;
    if (relay !== undefined) this.complete(opening.request, relay, reserved, now);
  }

  relayFailed(relayId: RelayId, reason: 'address-in-use' | 'other'): void {
    const opening = this.openingsByRelay.get(relayId);
    if (opening === undefined) return;
    this.forget(opening);
    for (const relay of opening.relays) releaseRelay(this.state, relay);
    opening.opened.clear();
    opening.attemptsLeft -= 1;
    // Somebody else on this host has the port: another one by chance.
    if (reason === 'address-in-use' && opening.attemptsLeft > 0) this.open(opening);
    else this.state.refuse(opening.request, StunErrorCode.INSUFFICIENT_CAPACITY);
  }

  /** Forgets openings whose credential was revoked, or whose connection ended, meanwhile. */
  cancel(isCancelled: (request: AuthenticatedRequest) => boolean): void {
    for (const opening of [...this.openingsByTuple.values()]) {
      if (!isCancelled(opening.request)) continue;
      this.forget(opening);
      for (const relay of opening.relays) releaseRelay(this.state, relay);
    }
  }

  private takeReserved(request: AuthenticatedRequest, token: Uint8Array, now: Instant): void {
    const { state } = this;
    const tokenKey = String.fromCharCode(...token);
    const reservation = state.table.peekReservation(tokenKey);
    // Who did not make the reservation must not learn that it exists.
    if (reservation?.relay.credentialId !== request.authentication.credentialId) {
      state.refuse(request, StunErrorCode.INSUFFICIENT_CAPACITY);
      return;
    }
    state.table.takeReservation(tokenKey);
    state.timers.remove(reservation.timer);
    this.complete(request, reservation.relay, undefined, now);
  }

  private open(opening: Opening): void {
    const { state } = this;
    const { request, wish } = opening;
    const count = wish.portKind === 'pair' ? 2 : 1;
    const refusal = this.quotaRefusal(request, count);
    if (refusal !== undefined) {
      state.refuse(request, refusal);
      return;
    }
    const port = state.ports.take(wish.family, wish.portKind);
    if (port === undefined) {
      state.refuse(request, StunErrorCode.INSUFFICIENT_CAPACITY);
      return;
    }
    opening.relays = Array.from({ length: count }, (_unused, index) =>
      this.newRelay(request, wish.family, port + index),
    );
    this.openingsByTuple.set(request.key, opening);
    for (const relay of opening.relays) {
      this.openingsByRelay.set(relay.id, opening);
      state.table.countRelay(relay);
      state.emit({ kind: 'open-relay', relayId: relay.id, address: relay.bound });
    }
  }

  private quotaRefusal(
    { authentication, tuple }: AuthenticatedRequest,
    count: number,
  ): StunErrorCodeNumber | undefined {
    const { table, quotas } = this.state;
    if (table.relayCount + count > quotas.allocations) return StunErrorCode.INSUFFICIENT_CAPACITY;
    const ofCredential = table.relaysOfCredential(authentication.credentialId);
    const ofSource = table.relaysOfSource(sourcePrefix(tuple.client));
    const isOver =
      ofCredential + count > quotas.allocationsPerCredential ||
      ofSource + count > quotas.allocationsPerAddress;
    return isOver ? StunErrorCode.ALLOCATION_QUOTA_REACHED : undefined;
  }

  private newRelay(
    { authentication, tuple }: AuthenticatedRequest,
    family: AddressFamily,
    port: number,
  ): Relay {
    const relay = this.state.options.relay[family];
    const bind = relay?.bind ?? '';
    const addressOf = (text: string): TransportAddress => ({
      family,
      address: canonicalIpAddress(text) ?? text,
      port,
    });
    this.lastRelayId += 1;
    return {
      id: this.lastRelayId as RelayId,
      bound: addressOf(bind),
      advertised: addressOf(relay?.advertised ?? bind),
      credentialId: authentication.credentialId,
      source: sourcePrefix(tuple.client),
    };
  }

  private complete(
    request: AuthenticatedRequest,
    relay: Relay,
    reserved: Relay | undefined,
    now: Instant,
  ): void {
    const { state } = this;
    const { message, tuple, key, authentication } = request;
    const { credentialId, expiry } = authentication;
    const lifetime = grantedLifetime(state, message.get(Lifetime), expiry.at, now);

    const builder = StunMessageBuilder.responseTo(message, 'success')
      .add(XorRelayedAddress, relay.advertised)
      .add(Lifetime, lifetime.seconds)
      .add(XorMappedAddress, tuple.client);
    if (reserved !== undefined) builder.add(ReservationToken, this.reserve(reserved, now));
    if (message.has(AdditionalAddressFamily)) {
      const code = StunErrorCode.ADDRESS_FAMILY_NOT_SUPPORTED;
      builder.add(AddressErrorCode, { family: 'ipv6', code, reason: REASON_PHRASES[code] });
    }

    const allocation: Allocation = {
      tuple,
      key,
      relay,
      credentialId,
      expiry,
      timer: state.timers.add({ kind: 'allocation', key }, lifetime.endsAt),
      transactionKey: transactionIdKey(message.transactionId),
      response: state.succeed(request, builder),
      permissions: new Map(),
      channelsByNumber: new Map(),
      channelsByPeer: new Map(),
    };
    state.table.addAllocation(allocation);
    state.counters.allocationsCreated += 1;
    state.event({
      kind: 'allocation-created',
      credentialId,
      client: tuple.client,
      relayedAddress: relay.advertised,
    });
  }

  private reserve(relay: Relay, now: Instant): Uint8Array {
    const { state } = this;
    const bytes = state.options.crypto.randomBytes(RESERVATION_TOKEN_BYTES);
    const token = String.fromCharCode(...bytes);
    const timer = state.timers.add({ kind: 'reservation', token }, after(now, RESERVATION_LIFETIME_S * 1000));
    state.table.addReservation({ token, relay, timer });
    return bytes;
  }

  private forget(opening: Opening): void {
    this.openingsByTuple.delete(opening.request.key);
    for (const { id } of opening.relays) this.openingsByRelay.delete(id);
  }
}
