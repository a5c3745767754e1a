import { WIRE_ERRORS, type WireErrorCode } from '@parley/protocol';

/**
 * An expected "no" to a client, thrown by a service and turned into the error half of the acknowledgement by the gateway.
 * The message is for developers and never repeats what the client sent.
 */
export class Refusal extends Error {
  override readonly name = 'Refusal';

  constructor(
    readonly code: WireErrorCode,
    message: string = WIRE_ERRORS[code].doc,
    readonly retryAfterMs?: number,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
