/** Times and bounds of the registered flow and of the relay between two of them. */
export interface FlowLimits {
  /** A client that did not register for this long is at no address any more. @default 60000, three keepalives */
  readonly registrationMs: number;
  /** How long a relay forwards on the consent of the accepted offer alone (DESIGN 6.6). @default 5000 */
  readonly acceptedOfferMs: number;
  /** After that, a side is sent data only as long as it sent some itself within this time (RFC 7675). @default 30000 */
  readonly consentMs: number;
  /** A relay on which neither side sent anything for this long is over. @default 300000 */
  readonly idleRelayMs: number;
  /** What one flow may send through relays in the long run; a second's worth at once. @default 125000000, 1 Gbit/s */
  readonly bytesPerSecond: number;
}

export const DEFAULT_FLOW_LIMITS: FlowLimits = {
  registrationMs: 60_000,
  acceptedOfferMs: 5000,
  consentMs: 30_000,
  idleRelayMs: 300_000,
  bytesPerSecond: 125_000_000,
};

/** A client repeats itself after 200 ms at the earliest; more often costs it nothing and the server a MAC. */
export const REGISTRATION_GAP_MS = 50;

/** Challenges per source: answers to who has not proven where it is. Many clients may share one address of a carrier. */
export const CHALLENGE_BUDGET = { perSecond: 200, burst: 400, maxSources: 16_384 };
