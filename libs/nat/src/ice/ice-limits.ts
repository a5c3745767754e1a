/** Timers and bounds of one agent. Every table that a peer can grow has its bound here. */
export interface IceLimits {
  /** Milliseconds between two new checks (RFC 8445 section 14.2). @default 20 (the RFC says 50) */
  readonly timerTaMs: number;
  /** Smallest first retransmission interval of a check (RFC 8445 section 14.3). @default 250 (the RFC says 500) */
  readonly minRtoMs: number;
  /** Requests of one check, the first included. @default 6 */
  readonly maxCheckRequests: number;
  /** Wait for an answer after the last request of a check. @default 2000 */
  readonly finalWaitMs: number;
  /** A checklist is not given up earlier: the peer may still reach us (RFC 8863). @default 10000 */
  readonly patienceMs: number;
  /** @default 100 (RFC 8445 section 6.1.2.5) */
  readonly maxPairs: number;
  /** @default 32 */
  readonly maxRemoteCandidates: number;
  /** @default 32 */
  readonly maxLocalCandidates: number;
  /** Unanswered requests that are remembered at a time. @default 256 */
  readonly maxTransactions: number;
  /** Checks of a peer kept until its credentials are known. @default 16 */
  readonly maxEarlyChecks: number;
  /** How long the relay carries data on the consent of the accepted offer alone. @default 5000 */
  readonly provisionalMs: number;
  /** Consent checks come at a random time between these (RFC 7675 section 5.1). @default 4000 */
  readonly consentMinMs: number;
  /** @default 6000 */
  readonly consentMaxMs: number;
  /** Consent ends this long after the last answer (RFC 7675 section 5.1). @default 30000 */
  readonly consentExpiryMs: number;
  /** A path is suspect when nothing came back for this long, or three round trips if that is longer. @default 400 */
  readonly suspectAfterMs: number;
  /** Probes without an answer after which a suspect path is left, if there is another one. @default 5 */
  readonly suspectProbes: number;
  /** First and last wait between two searches for a better path. @default 5000 */
  readonly seekMinMs: number;
  /** @default 60000 */
  readonly seekMaxMs: number;
  /** Failed pairs that one search tries again. @default 10 */
  readonly seekPairs: number;
  /** Given up when there was no path for this long. @default 30000 */
  readonly giveUpMs: number;
  /** A path of the same kind is not left before it was in use this long. @default 2000 */
  readonly minTenureMs: number;
}

export const DEFAULT_ICE_LIMITS: IceLimits = {
  timerTaMs: 20,
  minRtoMs: 250,
  maxCheckRequests: 6,
  finalWaitMs: 2000,
  patienceMs: 10_000,
  maxPairs: 100,
  maxRemoteCandidates: 32,
  maxLocalCandidates: 32,
  maxTransactions: 256,
  maxEarlyChecks: 16,
  provisionalMs: 5000,
  consentMinMs: 4000,
  consentMaxMs: 6000,
  consentExpiryMs: 30_000,
  suspectAfterMs: 400,
  suspectProbes: 5,
  seekMinMs: 5000,
  seekMaxMs: 60_000,
  seekPairs: 10,
  giveUpMs: 30_000,
  minTenureMs: 2000,
};
