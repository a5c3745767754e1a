import type { Call, CallEnd } from '@parley/edge-client';
import { machineClockMs } from '../machine-clock.ts';

export class CallEndedEarlyError extends Error {
  override readonly name = 'CallEndedEarlyError';

  constructor({ cause, error }: CallEnd, devices: number) {
    super(`the call ended (${cause}, ${error?.code ?? 'no error'}) with ${devices} devices ringing`);
  }
}

/** Notes when what happens to a call, as it happens. */
export class ObservedCall<Observed extends Call = Call> {
  /** Of a call to somebody: one per device of theirs that rings. */
  readonly ringingAt: number[] = [];
  activeAt: number | undefined;
  over: { readonly at: number; readonly end: CallEnd } | undefined;

  /** `beganAt`: when it was proposed, or when it began to ring here. */
  constructor(
    readonly call: Observed,
    readonly beganAt: number,
  ) {
    call.on('ringing', () => this.ringingAt.push(machineClockMs()));
    call.on('state', ({ to }) => {
      if (to === 'active') this.activeAt = machineClockMs();
    });
    void call.ended.then((end) => {
      this.over = { at: machineClockMs(), end };
    });
  }

  /** When the last of so many devices rang. @throws CallEndedEarlyError when the call is over before */
  allRingingAt(devices: number): number | undefined {
    if (this.over) throw new CallEndedEarlyError(this.over.end, this.ringingAt.length);
    return this.ringingAt[devices - 1];
  }
}
