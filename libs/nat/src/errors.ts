/** Stable, machine-readable codes of everything that `libs/nat` throws. Consumers match on the code, never on the class. */
export type NatErrorCode =
  | 'NAT_ABORTED'
  | 'NAT_BIND_FAILED'
  | 'NAT_INVALID_ADDRESS'
  | 'NAT_INVALID_ARGUMENT'
  | 'NAT_INVARIANT'
  | 'NAT_SOCKET_CLOSED'
  | 'NAT_TRANSACTION_TIMEOUT';

/** The error class of this library. What arrives from the network never throws; a wrong call or a failed socket does. */
export class NatError extends Error {
  readonly code: NatErrorCode;

  constructor(code: NatErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'NatError';
    this.code = code;
  }
}
