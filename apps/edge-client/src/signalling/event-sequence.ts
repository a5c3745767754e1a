/** What to do with a numbered event. `gap`: take it, but events before it are missing. */
export type SequenceVerdict = 'take' | 'duplicate' | 'gap';

/** Keeps the order of events across resumes: a replayed event is taken once, a missing one is noticed. */
export class EventSequence {
  readonly #onSettled: () => void;
  #last = 0;
  #isOpen = false;
  #isLossKnown = false;

  /** `onSettled`: events that waited because of {@link isOpen} can be judged. */
  constructor(onSettled: () => void = () => undefined) {
    this.#onSettled = onSettled;
  }

  /** The number of the last event taken; a resume tells it to the supernode. */
  get last(): number {
    return this.#last;
  }

  /** The answer to a resume is on its way: where the numbers go on is not known, and numbered events wait. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** A fresh sign-in counts from 1 again. */
  reset(): void {
    this.#last = 0;
    this.#isLossKnown = false;
    this.#settle();
  }

  resuming(): void {
    this.#isOpen = true;
  }

  /**
   * The supernode that took the connection up numbers on from `newest`. It may know of fewer events than we have seen, where the
   * store lost the last ones: its next event has a number that we had before, and is none of those. Returns whether no event was
   * lost after all.
   */
  resumed(recovered: boolean, newest: number | undefined): boolean {
    const isRewound = newest !== undefined && newest < this.#last;
    if (isRewound) this.#last = newest;
    const isComplete = recovered && !isRewound;
    this.#isLossKnown = !isComplete;
    this.#settle(); // which judges events already
    return isComplete;
  }

  judge(sequence: number): SequenceVerdict {
    if (sequence === 0) return 'take'; // not replayed, so never twice
    if (sequence <= this.#last) return 'duplicate';
    // Everything is read anew already after such a resume: whatever it goes on with, the gap before is no news.
    const isExpected = sequence === this.#last + 1 || this.#isLossKnown;
    this.#isLossKnown = false;
    this.#last = sequence;
    return isExpected ? 'take' : 'gap';
  }

  #settle(): void {
    this.#isOpen = false;
    this.#onSettled();
  }
}
