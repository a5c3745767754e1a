import type { Instant } from './instant.ts';

/**
 * The shape of every protocol core: inputs and `now` in, a list of outputs back. A driver performs the outputs, keeps one
 * timer armed for {@link nextTimeoutAt} and calls {@link handleTimeout} when it fires.
 */
export interface Core<Input, Output> {
  handle(input: Input, now: Instant): readonly Output[];
  handleTimeout(now: Instant): readonly Output[];
  /** The earliest instant at which `handleTimeout` must run, if any. */
  nextTimeoutAt(): Instant | undefined;
}
