/**
 * An estimate of how people would rate a call, from what the network did to it: the E-model of ITU-T G.107, cut down to delay,
 * codec and loss. Everything else has its default value, which leaves a rating of 93.2 for a call without any impairment.
 *
 *   R = 93.2 - Id - Ie,eff        Ie,eff = Ie + (95 - Ie) * Ppl / (Ppl / BurstR + Bpl)     (G.107 section 7.5)
 *
 * Id is the straight-line form of Cole and Rosenbluth, "Voice over IP performance monitoring" (2001), section 3.1. The mean opinion
 * score follows from R by G.107 annex B.
 */
export interface CallImpairment {
  /** Mouth to ear, one way. */
  readonly delayMs: number;
  /** 0..1: frames that were neither received in time nor recovered. */
  readonly lossFraction: number;
  /** Mean length of a run of lost frames against what random loss would give; 1 is random. */
  readonly burstRatio: number;
}

const BEST_RATING = 93.2;

/**
 * No Recommendation gives values for Opus. These are of GSM-EFR (ITU-T G.113 appendix I), the nearest relative with published ones:
 * linear prediction at 12.2 kbit/s with its own concealment. Opus at twice that rate is better, so the estimate is cautious.
 */
const EQUIPMENT_IMPAIRMENT = 5;
const LOSS_ROBUSTNESS = 10;
const MAX_IMPAIRMENT = 95;

const DELAY_SLOPE = 0.024;
const LONG_DELAY_SLOPE = 0.11;
const LONG_DELAY_MS = 177.3;

/** The transmission rating factor R, 0 to 93.2. */
export function transmissionRating({ delayMs, lossFraction, burstRatio }: CallImpairment): number {
  const delay = DELAY_SLOPE * delayMs + LONG_DELAY_SLOPE * Math.max(0, delayMs - LONG_DELAY_MS);
  const loss = 100 * lossFraction;
  const equipment =
    EQUIPMENT_IMPAIRMENT +
    ((MAX_IMPAIRMENT - EQUIPMENT_IMPAIRMENT) * loss) / (loss / burstRatio + LOSS_ROBUSTNESS);
  return Math.max(0, BEST_RATING - delay - equipment);
}

/** Mean opinion score, 1 (bad) to 4.5. */
export function meanOpinionScore(impairment: CallImpairment): number {
  const rating = transmissionRating(impairment);
  const score = 1 + 0.035 * rating + rating * (rating - 60) * (100 - rating) * 7e-6;
  return Math.max(1, score); // the cubic dips below 1 for ratings under 6.5
}
