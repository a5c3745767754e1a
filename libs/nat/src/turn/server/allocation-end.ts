import type { Allocation, Relay } from './allocation.ts';
import type { ServerState } from './server-state.ts';
import type { AllocationEndCause } from './turn-server-types.ts';

/** Removes an allocation with all that hangs on it and closes its relay. */
export function endAllocation(state: ServerState, allocation: Allocation, cause: AllocationEndCause): void {
  state.table.removeAllocation(allocation);
  state.timers.remove(allocation.timer);
  for (const { timer } of allocation.permissions.values()) state.timers.remove(timer);
  for (const { timer } of allocation.channelsByNumber.values()) state.timers.remove(timer);
  releaseRelay(state, allocation.relay);
  const { credentialId, tuple, relay } = allocation;
  state.event({
    kind: 'allocation-ended',
    credentialId,
    client: tuple.client,
    relayedAddress: relay.advertised,
    cause,
  });
}

export function releaseRelay(state: ServerState, relay: Relay): void {
  state.table.uncountRelay(relay);
  state.ports.release(relay.bound.family, relay.bound.port);
  state.emit({ kind: 'close-relay', relayId: relay.id });
}
