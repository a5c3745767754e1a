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
  /** Mean length of a run of lost frames against what random loss would give; 1 is random. Believed within the model's range. */
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

/**
 * ITU-T G.107 (06/2015) table 3: the burst ratio goes from 1 to 8, and the model says nothing valid for ratios above 2 once 2% are lost
 * (note 6 there). One long stall of a short call has a ratio of 30 and more; it is taken for what the model knows.
 */
const MAX_BURST_RATIO = 8;
const MAX_BURST_RATIO_OF_MUCH_LOSS = 2;
const MUCH_LOSS = 2;

const DELAY_SLOPE = 0.024;
const LONG_DELAY_SLOPE = 0.11;
const LONG_DELAY_MS = 177.3;

/** The transmission rating factor R, 0 to 93.2. */
export function transmissionRating({ delayMs, lossFraction, burstRatio }: CallImpairment): number {
  const delay = DELAY_SLOPE * delayMs + LONG_DELAY_SLOPE * Math.max(0, delayMs - LONG_DELAY_MS);
  const equipment =
    EQUIPMENT_IMPAIRMENT +
    (MAX_IMPAIRMENT - EQUIPMENT_IMPAIRMENT) * lossImpairment(100 * lossFraction, burstRatio);
  return Math.max(0, BEST_RATING - delay - equipment);
}

/** Which share of the impairment that a codec can suffer it does suffer: `Ppl / (Ppl / BurstR + Bpl)`, within the range of the model. */
function lossImpairment(percent: number, burstRatio: number): number {
  const share = (loss: number, maxBurstRatio: number): number =>
    loss / (loss / Math.max(1, Math.min(burstRatio, maxBurstRatio)) + LOSS_ROBUSTNESS);
  const little = share(Math.min(percent, MUCH_LOSS), MAX_BURST_RATIO);
  // never better than less loss would be
  return Math.max(little, share(percent, MAX_BURST_RATIO_OF_MUCH_LOSS));
}

/** Mean opinion score, 1 (bad) to 4.5. */
export function meanOpinionScore(impairment: CallImpairment): number {
  const rating = transmissionRating(impairment);
  const score = 1 + 0.035 * rating + rating * (rating - 60) * (100 - rating) * 7e-6;
  return Math.max(1, score); // the cubic dips below 1 for ratings under 6.5
}
