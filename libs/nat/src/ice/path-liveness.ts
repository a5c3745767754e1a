import { after, type Instant } from '../time/instant.ts';
import type { IceLimits } from './ice-limits.ts';

/** Fastest probing of a suspect path; with a known round trip it is twice that, if longer. */
const MIN_PROBE_GAP_MS = 200;
const MAX_PROBE_GAP_MS = 2000;
const PROBE_BACKOFF = 1.5;

/**
 * Whether the path in use still works, judged long before its consent ends (30 s): it is suspect when data that asks for an
 * answer was sent, or a consent check, and nothing came back for {@link IceLimits.suspectAfterMs} or three round trips.
 * Probes then decide.
 */
export class PathLiveness {
  readonly #limits: IceLimits;
  #unansweredSince: Instant | undefined;
  #probes = 0;
  #nextProbeAt: Instant | undefined;
  #suspectSince: Instant | undefined;
  #doubtedAt: Instant | undefined;
  #isDoubted = false;

  constructor(limits: IceLimits) {
    this.#limits = limits;
  }

  get isSuspect(): boolean {
    return this.#nextProbeAt !== undefined;
  }

  get suspectSince(): Instant | undefined {
    return this.#suspectSince;
  }

  get hasSpentProbes(): boolean {
    return this.#probes >= this.#limits.suspectProbes;
  }

  /** How long an answer may take. */
  patienceMs(roundTripMs: number | undefined): number {
    return Math.max(this.#limits.suspectAfterMs, 3 * (roundTripMs ?? 0));
  }

  noteSent(now: Instant): void {
    this.#unansweredSince ??= now;
  }

  /** Something came from the peer on this path. Not authenticated here, so it ends no suspicion. */
  noteReceived(): void {
    this.#unansweredSince = undefined;
  }

  /**
   * The peer, which knows this path, sends through the relay: it is not heard, or does not hear. Asked about now; but not all the
   * time where the answer is that it works. False: nothing changes.
   */
  doubt(now: Instant): boolean {
    if (this.isSuspect || this.#isDoubted) return false;
    if (this.#doubtedAt !== undefined && now < after(this.#doubtedAt, this.#limits.suspectAfterMs))
      return false;
    this.#doubtedAt = now;
    this.#isDoubted = true;
    return true;
  }

  suspect(now: Instant): void {
    if (this.isSuspect) return;
    this.#isDoubted = false;
    this.#probes = 0;
    this.#suspectSince = now;
    this.#nextProbeAt = now;
  }

  /** A check on the path was answered, or the path is another one now. */
  reset(): void {
    this.#unansweredSince = undefined;
    this.#probes = 0;
    this.#suspectSince = undefined;
    this.#nextProbeAt = undefined;
    this.#isDoubted = false;
  }

  probeSent(now: Instant, roundTripMs: number | undefined): void {
    const gap =
      Math.max(MIN_PROBE_GAP_MS, 2 * (roundTripMs ?? 0)) *
      PROBE_BACKOFF ** Math.min(this.#probes, this.#limits.suspectProbes);
    this.#probes += 1;
    this.#nextProbeAt = after(now, Math.min(gap, Math.max(MAX_PROBE_GAP_MS, 2 * (roundTripMs ?? 0))));
  }

  /** When the path becomes suspect, or its next probe is due. */
  nextAt(roundTripMs: number | undefined): Instant | undefined {
    if (this.#nextProbeAt !== undefined) return this.#nextProbeAt;
    if (this.#isDoubted) return this.#doubtedAt;
    return this.#unansweredSince === undefined
      ? undefined
      : after(this.#unansweredSince, this.patienceMs(roundTripMs));
  }
}
