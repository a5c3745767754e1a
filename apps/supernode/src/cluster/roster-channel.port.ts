import type { Roster } from './roster.ts';

/** Tells other supernodes of a new roster at once; who misses it reads it from the database within a second. */
export interface RosterChannel {
  /** Rejects while there is no way to the others. */
  announce(roster: Roster): Promise<void>;
  /** One listener; what was announced by this supernode may come too. */
  listen(listener: (roster: Roster) => void): Promise<void>;
}

export const ROSTER_CHANNEL = Symbol('RosterChannel');
