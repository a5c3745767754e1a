/**
 * Which of several relays carries the data of a session that has no direct path (DESIGN 6.10): the one with the lowest round trip, which
 * a check from end to end measures as the sum that it is. The controlling side compares in rounds of a few checks, moves only for a
 * clear gain that a second round confirms, and then leaves the choice alone for longer and longer, so that noise moves nobody.
 */
import { NatError } from '../errors.ts';
import { after, type Instant } from '../time/instant.ts';
import type { CandidatePair } from './candidate-pair.ts';

/** `idle`: there is nothing to choose. `resting`: until the next round. `confirming`: the second round for the best of the first. */
export type RelayChoiceState = 'idle' | 'resting' | 'measuring' | 'confirming';

export const RELAY_CHOICE_TRANSITIONS = {
  idle: ['resting'],
  resting: ['measuring', 'idle'],
  measuring: ['confirming', 'resting', 'idle'],
  confirming: ['resting', 'idle'],
} as const satisfies Record<RelayChoiceState, readonly RelayChoiceState[]>;

/** A relayed path in use, and other valid ones. */
export interface RelayOptions {
  readonly current: CandidatePair;
  readonly alternatives: readonly CandidatePair[];
}

/** Checks of each path in a round. */
const SAMPLES = 5;
/** Answers without which nothing is said of a path: who loses more is no better relay. */
const MIN_ANSWERS = 4;
/** Between two checks of a round. */
const CHECK_GAP_MS = 20;
/** For the last answers of a round; three round trips of the path in use, if that is longer. */
const ANSWER_MS = 400;
/** Relays and candidates tend to come in groups: the first round waits for them. */
const SETTLE_MS = 1000;
/** Between rounds that changed nothing, and after the first move; doubled with each move. */
const REST_MS = 30_000;
const MAX_REST_MS = 600_000;
/** A round trip counts as clearly shorter from this difference on. */
const MIN_GAIN_MS = 10;
const MIN_GAIN_SHARE = 0.2;

/** Whether a path with that round trip is better than one with the other, by more than chance. */
export function isClearlyShorter(ms: number, otherMs: number): boolean {
  return otherMs - ms > Math.max(MIN_GAIN_MS, MIN_GAIN_SHARE * otherMs);
}

interface Round {
  readonly pairs: readonly CandidatePair[];
  readonly answers: Map<CandidatePair, number[]>;
  sent: number;
  /** The next check, and after the last one the end. */
  nextAt: Instant;
}

/** Sans-io: told what there is to choose from and what checks measured, it says whom to check and, in {@link pick}, what was chosen. */
export class RelayChoice {
  #state: RelayChoiceState = 'idle';
  #pick: CandidatePair | undefined;
  #current: CandidatePair | undefined;
  #alternatives: readonly CandidatePair[] = [];
  #round: Round | undefined;
  #restUntil: Instant | undefined;
  #restMs = REST_MS;
  /** After a move even a newcomer waits. */
  #hasMoved = false;
  /** Took part in a round. */
  #known = new WeakSet<CandidatePair>();

  get state(): RelayChoiceState {
    return this.#state;
  }

  /** The path that measuring chose; the one in use stays where there is none, or where it is not valid any more. */
  get pick(): CandidatePair | undefined {
    return this.#pick;
  }

  /** What there is to choose from now; undefined where no relay carries data, or another side chooses. */
  update(options: RelayOptions | undefined, now: Instant): void {
    if (options === undefined || options.alternatives.length === 0) {
      this.#current = undefined;
      this.#end('idle');
      return;
    }
    this.#alternatives = options.alternatives;
    if (options.current !== this.#current) {
      this.#hasMoved = options.current === this.#pick;
      // Left for a reason that measuring does not know, as its death: it has to prove itself anew.
      if (!this.#hasMoved) this.#pick = undefined;
      this.#current = options.current;
      this.#rest(this.#hasMoved ? this.#restMs : SETTLE_MS, now);
    }
    const isNewcomerThere = options.alternatives.some((pair) => !this.#known.has(pair));
    if (this.#state === 'resting' && !this.#hasMoved && isNewcomerThere) this.#restAtMost(SETTLE_MS, now);
  }

  /** The path to be checked now. */
  takeDue(now: Instant): CandidatePair | undefined {
    if (this.#state === 'resting' && this.#restUntil !== undefined && this.#restUntil <= now)
      this.#begin('measuring', this.#alternatives, now);
    const round = this.#round;
    if (round === undefined || round.nextAt > now) return undefined;
    const pair = round.pairs[round.sent % round.pairs.length];
    if (pair === undefined || round.sent >= SAMPLES * round.pairs.length) {
      this.#judge(round, now);
      return undefined;
    }
    round.sent += 1;
    const isLast = round.sent === SAMPLES * round.pairs.length;
    const answerMs = Math.max(ANSWER_MS, 3 * (this.#current?.roundTripMs ?? 0));
    round.nextAt = after(now, isLast ? answerMs : CHECK_GAP_MS);
    return pair;
  }

  /** A check of {@link takeDue} was answered. */
  answered(pair: CandidatePair, roundTripMs: number): void {
    this.#round?.answers.get(pair)?.push(roundTripMs);
  }

  nextAt(): Instant | undefined {
    return this.#state === 'resting' ? this.#restUntil : this.#round?.nextAt;
  }

  /** A new generation has other pairs. */
  reset(): void {
    this.#pick = undefined;
    this.#current = undefined;
    this.#alternatives = [];
    this.#end('idle');
  }

  #begin(state: 'measuring' | 'confirming', rivals: readonly CandidatePair[], now: Instant): void {
    const current = this.#current;
    if (current === undefined) return;
    this.#move(state);
    const pairs = [current, ...rivals];
    for (const pair of pairs) this.#known.add(pair);
    this.#round = { pairs, answers: new Map(pairs.map((pair) => [pair, []])), sent: 0, nextAt: now };
  }

  #judge(round: Round, now: Instant): void {
    const isConfirming = this.#state === 'confirming';
    const winner = winnerOf(round);
    if (winner !== undefined && !isConfirming) {
      this.#begin('confirming', [winner], now);
      return;
    }
    if (winner !== undefined) {
      // The next move has to wait for longer than this one.
      if (this.#pick !== undefined) this.#restMs = Math.min(2 * this.#restMs, MAX_REST_MS);
      this.#pick = winner;
    }
    this.#rest(this.#restMs, now);
  }

  #rest(forMs: number, now: Instant): void {
    this.#end('resting');
    this.#restUntil = after(now, forMs);
  }

  #restAtMost(forMs: number, now: Instant): void {
    const until = after(now, forMs);
    if (this.#restUntil === undefined || until < this.#restUntil) this.#restUntil = until;
  }

  #end(state: 'idle' | 'resting'): void {
    this.#round = undefined;
    this.#restUntil = undefined;
    this.#move(state);
  }

  #move(to: RelayChoiceState): void {
    const from = this.#state;
    if (from === to) return;
    const allowed: readonly RelayChoiceState[] = RELAY_CHOICE_TRANSITIONS[from];
    if (!allowed.includes(to))
      throw new NatError('NAT_INVARIANT', `The choice of a relay does not go from ${from} to ${to}.`);
    this.#state = to;
  }
}

/** The path with the shortest round trip, where that is clearly shorter than the one of the path in use. */
function winnerOf({ pairs, answers }: Round): CandidatePair | undefined {
  const [current, ...rivals] = pairs;
  const currentMs = median(current && answers.get(current));
  if (currentMs === undefined) return undefined;
  let best: { readonly pair: CandidatePair; readonly ms: number } | undefined;
  for (const pair of rivals) {
    const ms = median(answers.get(pair));
    if (ms !== undefined && ms < (best?.ms ?? Number.POSITIVE_INFINITY)) best = { pair, ms };
  }
  return best !== undefined && isClearlyShorter(best.ms, currentMs) ? best.pair : undefined;
}

function median(answers: readonly number[] | undefined): number | undefined {
  if (answers === undefined || answers.length < MIN_ANSWERS) return undefined;
  return answers.toSorted((a, b) => a - b)[Math.floor(answers.length / 2)];
}
