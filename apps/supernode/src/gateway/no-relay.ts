import type { RelayAccess } from './relay-access.port.ts';

/** Of a supernode without the relay role: it answers no STUN and relays nothing. */
export const NO_RELAY: RelayAccess = {
  stunServers: () => [],
  issue: () => Promise.resolve(undefined),
  revoke: () => Promise.resolve(),
};
