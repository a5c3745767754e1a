import { WIRE_ERRORS, type WayOut, type WireErrorCode } from '@parley/protocol';

/**
 * An expected "no" to a client, thrown by a service and turned into the error half of the acknowledgement by the gateway.
 * The message is for developers and never repeats what the client sent.
 */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly windowMs: number | undefined;
  readonly alternates: readonly string[] | undefined;

  constructor(
    readonly code: WireErrorCode,
    message: string = WIRE_ERRORS[code].doc,
    readonly retryAfterMs?: number,
    options: ErrorOptions & WayOut = {},
  ) {
    super(message, options);
    this.windowMs = options.windowMs;
    this.alternates = options.alternates;
  }
}
