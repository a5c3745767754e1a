/** What to do with a numbered event. `gap`: take it, but events before it are missing. */
export type SequenceVerdict = 'take' | 'duplicate' | 'gap';

/** Keeps the order of events across resumes: a replayed event is taken once, a missing one is noticed. */
export class EventSequence {
  #last = 0;

  /** The number of the last event taken; a resume tells it to the supernode. */
  get last(): number {
    return this.#last;
  }

  /** A fresh sign-in counts from 1 again. */
  reset(): void {
    this.#last = 0;
  }

  judge(sequence: number): SequenceVerdict {
    if (sequence === 0) return 'take'; // not replayed, so never twice
    if (sequence <= this.#last) return 'duplicate';
    const isNext = sequence === this.#last + 1;
    this.#last = sequence;
    return isNext ? 'take' : 'gap';
  }
}
