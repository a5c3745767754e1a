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

  /** Something came from the peer, on whatever path. Not authenticated here, so it ends no suspicion. */
  noteReceived(): void {
    this.#unansweredSince = undefined;
  }

  suspect(now: Instant): void {
    if (this.isSuspect) return;
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
    return this.#unansweredSince === undefined
      ? undefined
      : after(this.#unansweredSince, this.patienceMs(roundTripMs));
  }
}
