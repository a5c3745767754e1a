import type { PresenceState } from '@parley/protocol';

/** A device's presence as the coalescing rule needs it. */
export interface DeviceState {
  readonly state: 'online' | 'away' | 'busy' | 'invisible';
  /** Connected, or lost so recently that it counts as connected. */
  readonly present: boolean;
  readonly statusText: string | null;
  /** When the device last set it, in milliseconds since the epoch. */
  readonly setAt: number;
}

export interface UserState {
  readonly state: PresenceState;
  readonly statusText: string | null;
}

const PRECEDENCE: Record<DeviceState['state'], number> = { invisible: 3, busy: 2, online: 1, away: 0 };

/**
 * One state out of many devices. No present device: offline. Otherwise `invisible` wins over all, because one device that
 * hides must not be betrayed by another; then `busy`, then `online`, then `away`. The status text is the newest one set.
 */
export function coalesce(devices: readonly DeviceState[]): UserState {
  const present = devices.filter((device) => device.present);
  const [first, ...rest] = present;
  if (!first) return { state: 'offline', statusText: null };
  const state = rest.reduce(
    (best, { state }) => (PRECEDENCE[state] > PRECEDENCE[best] ? state : best),
    first.state,
  );
  const newest = rest.reduce((best, device) => (device.setAt > best.setAt ? device : best), first);
  return { state, statusText: newest.statusText };
}

/** What everybody but the user's own devices sees. */
export function visibleTo(others: UserState): UserState {
  return others.state === 'invisible' ? { state: 'offline', statusText: null } : others;
}
