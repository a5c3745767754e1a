/** The data path (RFC 8656 sections 11 and 12): ChannelData, Send indications, and datagrams that arrive at a relay. */
import { transportAddressKey, type TransportAddress } from '../../net/transport-address.ts';
import type { StunMessage } from '../../stun/message.ts';
import { newTransactionId } from '../../stun/transaction-id.ts';
import type { Instant } from '../../time/instant.ts';
import { decodeChannelData, encodeChannelData } from '../channel-data.ts';
import { encodeDataIndication, readRelayedData } from '../relayed-data.ts';
import type { Allocation } from './allocation.ts';
import type { ServerState } from './server-state.ts';
import type { RelayId } from './turn-server-types.ts';

export function handleChannelData(state: ServerState, key: string, bytes: Uint8Array, now: Instant): void {
  const message = decodeChannelData(bytes);
  if (message === undefined) {
    state.drop('malformed-channel-data');
    return;
  }
  const allocation = state.table.ofTuple(key);
  if (allocation === undefined) {
    state.drop('no-allocation');
    return;
  }
  const binding = allocation.channelsByNumber.get(message.channel);
  if (binding === undefined || binding.expiresAt <= now) {
    state.drop('unbound-channel');
    return;
  }
  forward(state, allocation, binding.peer, message.data, now);
}

export function handleSendIndication(
  state: ServerState,
  key: string,
  message: StunMessage,
  now: Instant,
): void {
  const allocation = state.table.ofTuple(key);
  if (allocation === undefined) {
    state.drop('no-allocation');
    return;
  }
  const data = readRelayedData(message);
  if (data === undefined) {
    state.drop('malformed-indication');
    return;
  }
  if (data.peer.family !== allocation.relay.bound.family) {
    state.drop('peer-family-mismatch');
    return;
  }
  // A permission names no port, so the port is judged here.
  const refusal = state.policy.refusalOfPeer(data.peer);
  if (refusal !== undefined) {
    state.drop(refusal);
    return;
  }
  forward(state, allocation, data.peer, data.bytes, now);
}

export function handleRelayDatagram(
  state: ServerState,
  relayId: RelayId,
  from: TransportAddress,
  bytes: Uint8Array,
  now: Instant,
): void {
  const allocation = state.table.ofRelay(relayId);
  if (allocation === undefined) {
    state.drop('no-allocation');
    return;
  }
  deliver(state, allocation, from, bytes, now);
}

function forward(
  state: ServerState,
  allocation: Allocation,
  peer: TransportAddress,
  bytes: Uint8Array,
  now: Instant,
): void {
  const permission = allocation.permissions.get(peer.address);
  if (permission === undefined || permission.expiresAt <= now) {
    state.drop('no-permission');
    return;
  }
  state.counters.relayedToPeer(bytes.length);
  const isOwn = peer.address === allocation.relay.advertised.address;
  const other = isOwn ? state.table.ofRelayedAddress(peer) : undefined;
  // To a relay of this server: handed over here. It goes on to a client and never to a relay again, so it cannot loop.
  if (other !== undefined) deliver(state, other, allocation.relay.advertised, bytes, now);
  else state.emit({ kind: 'relay', relayId: allocation.relay.id, peer, bytes });
}

function deliver(
  state: ServerState,
  allocation: Allocation,
  from: TransportAddress,
  bytes: Uint8Array,
  now: Instant,
): void {
  const permission = allocation.permissions.get(from.address);
  if (permission === undefined || permission.expiresAt <= now) {
    state.drop('no-permission');
    return;
  }
  state.counters.relayedToClient(bytes.length);
  const binding = allocation.channelsByPeer.get(transportAddressKey(from));
  const message =
    binding !== undefined && binding.expiresAt > now
      ? encodeChannelData(binding.number, bytes)
      : encodeDataIndication({ peer: from, bytes }, newTransactionId(state.options.crypto));
  state.emit({ kind: 'send', to: allocation.tuple, bytes: message });
}
