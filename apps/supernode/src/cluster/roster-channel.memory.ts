import type { RosterChannel } from './roster-channel.port.ts';
import type { Roster } from './roster.ts';

/** For several supernodes of one process. */
export class MemoryRosterChannel implements RosterChannel {
  private readonly listeners: ((roster: Roster) => void)[] = [];

  announce(roster: Roster): Promise<void> {
    for (const listener of this.listeners) listener(roster);
    return Promise.resolve();
  }

  listen(listener: (roster: Roster) => void): Promise<void> {
    this.listeners.push(listener);
    return Promise.resolve();
  }
}
