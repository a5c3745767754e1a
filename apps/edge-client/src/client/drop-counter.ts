/** Counts what was discarded, by reason: nothing that arrives is dropped silently. */
export class DropCounter<Reason extends string> {
  readonly #counts = new Map<Reason, number>();

  count(reason: Reason): void {
    this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + 1);
  }

  /** Only reasons that occurred. */
  snapshot(): Readonly<Partial<Record<Reason, number>>> {
    return Object.fromEntries(this.#counts) as Partial<Record<Reason, number>>;
  }
}
