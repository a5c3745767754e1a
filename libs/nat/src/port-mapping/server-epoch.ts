import type { Instant } from '../time/instant.ts';

const BACKWARDS_SECONDS = 1;
const TOLERANCE_SECONDS = 2;
/** Clocks may run apart by a sixteenth. */
const DRIFT = 1 / 16;

/** Whether a server still has its state, told from the clock that it starts anew when it loses it (RFC 6887 section 8.5). */
export class ServerEpoch {
  #last: { readonly server: number; readonly client: number } | undefined;

  /** False: the server lost its mappings between this answer and the one before. */
  continues(epochSeconds: number, now: Instant): boolean {
    const last = this.#last;
    const client = now / 1000;
    this.#last = { server: epochSeconds, client };
    if (last === undefined) return true;
    if (epochSeconds < last.server - BACKWARDS_SECONDS) return false;
    const serverDelta = epochSeconds - last.server;
    const clientDelta = client - last.client;
    return (
      clientDelta + TOLERANCE_SECONDS >= serverDelta - serverDelta * DRIFT &&
      serverDelta + TOLERANCE_SECONDS >= clientDelta - clientDelta * DRIFT
    );
  }

  /** Another server, or another protocol. */
  forget(): void {
    this.#last = undefined;
  }
}
