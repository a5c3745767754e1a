/** Why a lab could not be built or used; stable, for matching. */
export type LabErrorCode =
  'LAB_UNAVAILABLE' | 'LAB_SETUP_FAILED' | 'LAB_UNKNOWN_HOST' | 'LAB_COMMAND_FAILED' | 'LAB_CLOSED';

/** A failure of the laboratory itself, never of what is tested in it. */
export class LabError extends Error {
  override readonly name = 'LabError';

  constructor(
    readonly code: LabErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
