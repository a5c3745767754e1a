import type { ServerEventName, TenantId, UserId } from '@parley/protocol';
import type { Tenure } from '../cluster/ownership.port.ts';
import type { DeviceAddress } from '../identity/caller.ts';

/** An event that was sent to a device, or would have been. */
export interface ResumeEvent {
  readonly sequence: number;
  readonly name: ServerEventName;
  readonly payload: unknown;
}

/** What a device needs to take its connection up again. */
export interface ResumeRecord {
  readonly device: DeviceAddress;
  /** Whether the device took part when the record was last written; asked again before it does so after a resume. */
  readonly isLinked: boolean;
  /** Of the newest event; 0 before the first. */
  readonly sequence: number;
  /** Every event after this number is in `events`. */
  readonly completeSince: number;
  /** Oldest first. Below `completeSince` some may be missing. */
  readonly events: readonly ResumeEvent[];
  /** Epoch of the slot under which it was written last. */
  readonly epoch: number;
  /** That owner wrote all that it had before it stopped being the owner: nothing is in doubt. */
  readonly isSealed: boolean;
}

/** `gone`: there is no record, or it has a later tenure. `changed`: its owner until now wrote something in between. */
export type TakeOver = 'taken' | 'changed' | 'gone';

/**
 * Resume state of signed-in devices: shared live state, so that any supernode can take a device over. A record is found
 * by the hash of its resume token; the token itself is not kept.
 *
 * Every write carries the tenure of the user's slot. Nothing is written to a record that a later tenure has written: until
 * then an owner of yesterday may still store what it sent, and seal. A shared store ends a record by itself when nothing was written for it for `LIMITS.resumeWindowMs` and a minute:
 * the heartbeat of a connected device writes at least that often.
 */
export interface ResumeStore {
  /** Begins a record at sequence 0; an older one of the device ends. False when that has a later tenure, or the slot had one. */
  open(
    device: DeviceAddress,
    record: { readonly tokenHash: string; readonly isLinked: boolean },
    tenure: Tenure,
  ): Promise<boolean>;
  /**
   * Adds an event; beyond `LIMITS.maxResumeEvents` the oldest falls out. Where its number is not the next one, those between
   * are lost: `completeSince` becomes the number before it. False without a record, when it has a later tenure, and when it has
   * an event of this number or a higher one.
   */
  append(device: DeviceAddress, event: ResumeEvent, tenure: Tenure): Promise<boolean>;
  /** Forgets events up to `sequence`, which the device has received, and notes that the device is still there. */
  trim(device: DeviceAddress, sequence: number, tenure: Tenure): Promise<void>;
  /** The device takes part from now on. */
  link(device: DeviceAddress, tenure: Tenure): Promise<void>;
  find(tokenHash: string): Promise<ResumeRecord | undefined>;
  /** Of all devices of a user. */
  ofUser(tenant: TenantId, userId: UserId): Promise<readonly ResumeRecord[]>;
  /**
   * The record goes on under another tenure, which numbers from `sequence + 1`, if its sequence is still `read`. Where the two
   * differ, what lies between counts as lost: `completeSince` becomes `sequence`.
   */
  takeOver(
    device: DeviceAddress,
    from: { readonly read: number; readonly sequence: number },
    tenure: Tenure,
  ): Promise<TakeOver>;
  /** The owner has nothing more to write: who takes over may trust the record. */
  seal(device: DeviceAddress, tenure: Tenure): Promise<void>;
  close(device: DeviceAddress, tenure: Tenure): Promise<void>;
}

export const RESUME_STORE = Symbol('ResumeStore');

/** Whether a device that has seen all up to `lastSequence` can get everything after it. */
export function isComplete(
  { completeSince, sequence }: Pick<ResumeRecord, 'sequence' | 'completeSince'>,
  lastSequence: number,
): boolean {
  return lastSequence >= completeSince && lastSequence <= sequence;
}
