/** How the session's packets travel now. */
export type SessionPath = 'none' | 'relayed' | 'direct';

/**
 * Where the relays of a relayed path are, as `address:port` or `[v6]:port`: one or two, each in use by this end for what it sends. The
 * other end may send another way for a moment, as when a relay just died.
 */
export interface SessionRelays {
  /** The relay server that this end is registered at, such as its home supernode, if the path begins there. */
  readonly own?: string;
  /** The other end's address at a relay of its own, if the path ends there: of that relay, never of the other end. */
  readonly peer?: string;
}

/**
 * What a session needs below it: an unreliable way to the other end that may change from relayed to direct and back at any
 * time. The session learns no address but those of relays.
 */
export interface DatagramPath {
  readonly state: SessionPath;
  /**
   * Hands over one packet of at most 1,200 bytes. False when it cannot be taken now (no path yet, buffers full): the
   * session keeps it and tries again after the next notice or timer. `expectsAnswer` is false for a packet that only
   * acknowledges, so that silence after it makes no path suspect (DESIGN 6.9). Never throws.
   */
  send(packet: Uint8Array, expectsAnswer: boolean): boolean;
  /** Sets the one listener, which owns the bytes: QUIC decrypts in place. */
  onData(listener: (packet: Uint8Array) => void): void;
  /** What relays the packets now, where that is known. */
  relays?(): SessionRelays | undefined;
  /** Sets the one listener for changes of state or relays; also called when packets can be taken again. */
  onPath(listener: (state: SessionPath) => void): void;
  close(): void;
  /** Looks for ways anew, from nothing, where there may be others. False: the other end cannot be told of it now. */
  restart?(): boolean;
  /** Connectivity checks that were sent for it, to whatever port, where it knows. */
  checksSent?(): number;
}
