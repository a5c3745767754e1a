import type { ServerEventName } from '@parley/protocol';
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
  /** Of the newest event; 0 before the first. */
  readonly sequence: number;
  /** The newest events without a gap, oldest first. */
  readonly events: readonly ResumeEvent[];
}

/**
 * Resume state of signed-in devices: shared live state, so that any supernode can take a device over. A record is found
 * by the hash of its resume token; the token itself is not kept.
 */
export interface ResumeStore {
  /** Begins a record at sequence 0; an older one of the device ends. */
  open(device: DeviceAddress, tokenHash: string): Promise<void>;
  /** Adds the next event; beyond `LIMITS.maxResumeEvents` the oldest falls out. Nothing happens without a record. */
  append(device: DeviceAddress, event: ResumeEvent): Promise<void>;
  /** Forgets events up to `sequence`, which the device has received. */
  trim(device: DeviceAddress, sequence: number): Promise<void>;
  find(tokenHash: string): Promise<ResumeRecord | undefined>;
  close(device: DeviceAddress): Promise<void>;
}

export const RESUME_STORE = Symbol('ResumeStore');

/** Whether a device that has seen all up to `lastSequence` can get everything after it. */
export function isComplete(record: Pick<ResumeRecord, 'sequence' | 'events'>, lastSequence: number): boolean {
  if (lastSequence >= record.sequence) return lastSequence === record.sequence;
  const [oldest] = record.events;
  return oldest !== undefined && oldest.sequence <= lastSequence + 1;
}
