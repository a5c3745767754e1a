import type { SequencedMessage } from './link-frame.ts';

/** The numbered messages of one incarnation of a supernode: each is given once, in order. */
export class InboundStream {
  private expected = 1;
  private readonly held = new Map<number, unknown>();

  /** @param window - how many messages are kept that came before their turn */
  constructor(private readonly window: number) {}

  /** All up to it arrived. */
  get received(): number {
    return this.expected - 1;
  }

  /** Gives what can be handled now, how much of it came before, and whether something before it is missing. */
  receive(
    base: number,
    messages: readonly SequencedMessage<unknown>[],
  ): { readonly bodies: readonly unknown[]; readonly repeated: number; readonly hasGap: boolean } {
    const bodies: unknown[] = [];
    let repeated = 0;
    for (const [sequence, body] of messages) {
      if (sequence < this.expected || this.held.has(sequence)) repeated += 1;
      else if (sequence < Math.max(base, this.expected) + this.window) this.held.set(sequence, body);
    }
    if (base > this.expected) {
      // What came before its turn and was given up meanwhile is reported as lost already.
      for (const sequence of this.held.keys()) if (sequence < base) this.held.delete(sequence);
      this.expected = base;
    }
    for (; this.held.has(this.expected); this.expected += 1) {
      const body = this.held.get(this.expected);
      this.held.delete(this.expected);
      if (body !== null) bodies.push(body);
    }
    return { bodies, repeated, hasGap: this.held.size > 0 };
  }
}
