/** Refresh, CreatePermission and ChannelBind (RFC 8656 sections 8.2, 10.2 and 12.2): requests that need an allocation. */
import { transportAddressKey, type TransportAddress } from '../../net/transport-address.ts';
import { XorPeerAddress } from '../../stun/attributes/address.ts';
import { ChannelNumber, Lifetime, RequestedAddressFamily } from '../../stun/attributes/turn.ts';
import { StunErrorCode } from '../../stun/error-code.ts';
import { StunMessageBuilder } from '../../stun/message-builder.ts';
import { after, type Instant } from '../../time/instant.ts';
import { CHANNEL_NUMBER_MAX, isChannelNumber, LEGACY_CHANNEL_NUMBER_MAX } from '../channel-data.ts';
import { CHANNEL_LIFETIME_S, PERMISSION_LIFETIME_S } from '../limits.ts';
import { endAllocation } from './allocation-end.ts';
import type { Allocation } from './allocation.ts';
import { grantedLifetime } from './lifetime.ts';
import type { AuthenticatedRequest, ServerState } from './server-state.ts';

export function handleRefresh(state: ServerState, request: AuthenticatedRequest, now: Instant): void {
  const allocation = allocationOf(state, request);
  if (allocation === undefined) return;
  const { message, authentication } = request;
  const family = message.read(RequestedAddressFamily);
  if (family.ok ? family.value !== allocation.relay.bound.family : family.reason !== 'absent') {
    state.refuse(request, StunErrorCode.PEER_ADDRESS_FAMILY_MISMATCH);
    return;
  }
  const requested = message.get(Lifetime);
  const success = StunMessageBuilder.responseTo(message, 'success');
  if (requested === 0) {
    endAllocation(state, allocation, 'released');
    state.succeed(request, success.add(Lifetime, 0));
    return;
  }
  // A later expiry of the same id extends; an earlier one takes nothing away, it was proven before.
  if (authentication.expiry.epochSeconds > allocation.expiry.epochSeconds)
    allocation.expiry = authentication.expiry;
  const lifetime = grantedLifetime(state, requested, allocation.expiry.at, now);
  state.timers.move(allocation.timer, lifetime.endsAt);
  state.succeed(request, success.add(Lifetime, lifetime.seconds));
}

export function handleCreatePermission(
  state: ServerState,
  request: AuthenticatedRequest,
  now: Instant,
): void {
  const allocation = allocationOf(state, request);
  if (allocation === undefined) return;
  const peers = request.message.readAll(XorPeerAddress);
  if (!peers.ok || peers.value.length === 0) {
    state.refuse(request, StunErrorCode.BAD_REQUEST);
    return;
  }
  // All or nothing: one address that is not permitted, and none is installed.
  for (const peer of peers.value) {
    const code = refusalOf(state, allocation, peer, state.policy.refusalOfAddress(peer));
    if (code !== undefined) {
      state.refuse(request, code);
      return;
    }
  }
  const added = new Set(
    peers.value.map(({ address }) => address).filter((address) => !allocation.permissions.has(address)),
  );
  if (allocation.permissions.size + added.size > state.quotas.permissionsPerAllocation) {
    state.refuse(request, StunErrorCode.INSUFFICIENT_CAPACITY);
    return;
  }
  for (const { address } of peers.value) installPermission(state, allocation, address, now);
  state.succeed(request, StunMessageBuilder.responseTo(request.message, 'success'));
}

export function handleChannelBind(state: ServerState, request: AuthenticatedRequest, now: Instant): void {
  const allocation = allocationOf(state, request);
  if (allocation === undefined) return;
  const number = request.message.get(ChannelNumber);
  const peer = request.message.get(XorPeerAddress);
  const maxNumber =
    state.options.acceptLegacyChannels === true ? LEGACY_CHANNEL_NUMBER_MAX : CHANNEL_NUMBER_MAX;
  if (number === undefined || peer === undefined || !isChannelNumber(number, maxNumber)) {
    state.refuse(request, StunErrorCode.BAD_REQUEST);
    return;
  }
  const code = refusalOf(state, allocation, peer, state.policy.refusalOfPeer(peer));
  if (code !== undefined) {
    state.refuse(request, code);
    return;
  }
  const peerKey = transportAddressKey(peer);
  const ofNumber = allocation.channelsByNumber.get(number);
  const ofPeer = allocation.channelsByPeer.get(peerKey);
  // Section 12.2: one number, one peer, for as long as the binding lives.
  if (ofNumber !== ofPeer) {
    state.refuse(request, StunErrorCode.BAD_REQUEST);
    return;
  }
  const { permissionsPerAllocation, channelsPerAllocation } = state.quotas;
  const lacksPermission =
    !allocation.permissions.has(peer.address) && allocation.permissions.size >= permissionsPerAllocation;
  if (
    lacksPermission ||
    (ofNumber === undefined && allocation.channelsByNumber.size >= channelsPerAllocation)
  ) {
    state.refuse(request, StunErrorCode.INSUFFICIENT_CAPACITY);
    return;
  }
  bindChannel(state, allocation, number, peer, now);
  installPermission(state, allocation, peer.address, now);
  state.succeed(request, StunMessageBuilder.responseTo(request.message, 'success'));
}

/** The allocation of the five-tuple; answers 437 where there is none and 441 where it is somebody else's. */
function allocationOf(state: ServerState, request: AuthenticatedRequest): Allocation | undefined {
  const allocation = state.table.ofTuple(request.key);
  if (allocation === undefined) {
    state.refuse(request, StunErrorCode.ALLOCATION_MISMATCH);
    return undefined;
  }
  if (allocation.credentialId !== request.authentication.credentialId) {
    state.refuse(request, StunErrorCode.WRONG_CREDENTIALS);
    return undefined;
  }
  return allocation;
}

function refusalOf(
  state: ServerState,
  allocation: Allocation,
  peer: TransportAddress,
  refusal: ReturnType<ServerState['policy']['refusalOfPeer']>,
): 403 | 443 | undefined {
  if (peer.family !== allocation.relay.bound.family) return StunErrorCode.PEER_ADDRESS_FAMILY_MISMATCH;
  if (refusal === undefined) return undefined;
  state.counters.drop(refusal);
  return StunErrorCode.FORBIDDEN;
}

function installPermission(state: ServerState, allocation: Allocation, address: string, now: Instant): void {
  const expiresAt = after(now, PERMISSION_LIFETIME_S * 1000);
  const existing = allocation.permissions.get(address);
  if (existing !== undefined) {
    existing.expiresAt = expiresAt;
    state.timers.move(existing.timer, expiresAt);
    return;
  }
  const timer = state.timers.add({ kind: 'permission', key: allocation.key, address }, expiresAt);
  allocation.permissions.set(address, { allocation, address, expiresAt, timer });
}

function bindChannel(
  state: ServerState,
  allocation: Allocation,
  number: number,
  peer: TransportAddress,
  now: Instant,
): void {
  const expiresAt = after(now, CHANNEL_LIFETIME_S * 1000);
  const existing = allocation.channelsByNumber.get(number);
  if (existing !== undefined) {
    existing.expiresAt = expiresAt;
    state.timers.move(existing.timer, expiresAt);
    return;
  }
  const timer = state.timers.add({ kind: 'channel', key: allocation.key, number }, expiresAt);
  const binding = { allocation, number, peer, peerKey: transportAddressKey(peer), expiresAt, timer };
  allocation.channelsByNumber.set(number, binding);
  allocation.channelsByPeer.set(binding.peerKey, binding);
}
