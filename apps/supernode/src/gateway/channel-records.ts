import { LIMITS } from '@parley/protocol';
import type { BackgroundTasks } from '../background-tasks.ts';
import type { Scheduler } from '../clock/scheduler.port.ts';
import type { Tenure } from '../cluster/ownership.port.ts';
import { deviceKey, type DeviceAddress } from '../identity/caller.ts';
import { DeviceChannel } from './device-channel.ts';
import type { ResumeEvent, ResumeRecord, ResumeStore } from './resume-store.port.ts';

/**
 * More events than a supernode can have sent before it stored them. Who takes a record over that was not sealed numbers from
 * beyond them, so that no number stands for two events.
 */
const UNSTORED_EVENTS = 1_000_000;
/** An owner that stops sends what it had in a few writes. */
const MAX_ATTEMPTS = 16;
/** A record ends by itself a minute after the resume window; the other minute is for a last write that was on its way. */
const UNENDED_MS = LIMITS.resumeWindowMs + 120_000;

/** A record that was to end and could not be reached. */
interface UnendedRecord {
  /** Under which its device was given up: whoever writes a later one had the device afterwards. */
  readonly epoch: number;
  readonly cancel: () => void;
}

/** What the resume store has of channels: it follows them, and channels of another supernode begin from it. */
export class ChannelRecords {
  /** By device; none for longer than {@link UNENDED_MS}. */
  private readonly unended = new Map<string, UnendedRecord>();

  constructor(
    private readonly store: ResumeStore,
    private readonly scheduler: Scheduler,
    private readonly tasks: BackgroundTasks,
  ) {}

  keep(channel: DeviceChannel, event: ResumeEvent): void {
    channel.storing(event, this.append(channel, event));
  }

  async link({ device, tenure }: DeviceChannel): Promise<void> {
    await this.tasks.attempt('Noting that a device takes part', () => this.store.link(device, tenure));
  }

  /** Nothing of an earlier record is left: it was ended, or a new one took its place. */
  ended(device: DeviceAddress): void {
    this.unended.get(deviceKey(device))?.cancel();
    this.unended.delete(deviceKey(device));
  }

  /**
   * A record that can't be ended now ends by itself. Until then nobody goes on with it here: everybody was told that the device is gone,
   * and it would not hear that its watches and offers ended.
   */
  async close({ device, tenure }: DeviceChannel): Promise<void> {
    this.noteUnended(device, tenure.epoch);
    await this.end(device, tenure);
  }

  /** Says that nothing is missing, where that is so. */
  async seal(channel: DeviceChannel): Promise<void> {
    await this.tasks.attempt('Sealing a resume record', async () => {
      if (await channel.isStored()) await this.store.seal(channel.device, channel.tenure);
    });
  }

  /**
   * A channel that goes on with a record of another supernode, which may have sent more than it stored unless it sealed the
   * record. Undefined when the record is gone, was to be gone or has another owner.
   *
   * @param lastSequence - what the device says to have seen, when it is there to say so
   */
  async takeOver(
    record: ResumeRecord,
    tenure: Tenure,
    lastSequence?: number,
  ): Promise<DeviceChannel | undefined> {
    const { device } = record;
    if (this.unended.get(deviceKey(device))?.epoch === record.epoch) {
      await this.end(device, tenure);
      return undefined;
    }
    let known: ResumeRecord | undefined = record;
    for (let attempt = 0; known && attempt < MAX_ATTEMPTS; attempt += 1) {
      const sequence = numberFrom(known, tenure, lastSequence);
      const outcome = await this.store.takeOver(device, { read: known.sequence, sequence }, tenure);
      if (outcome === 'taken') return DeviceChannel.ofElsewhere(device, known.isLinked, tenure, sequence);
      if (outcome === 'gone') return undefined;
      known = await this.readAgain(record);
    }
    return undefined;
  }

  private async end(device: DeviceAddress, tenure: Tenure): Promise<void> {
    await this.tasks.attempt('Ending a resume record', async () => {
      await this.store.close(device, tenure);
      this.ended(device);
    });
  }

  private noteUnended(device: DeviceAddress, epoch: number): void {
    const key = deviceKey(device);
    this.unended.get(key)?.cancel();
    this.unended.set(key, {
      epoch,
      cancel: this.scheduler.after(UNENDED_MS, () => this.unended.delete(key)),
    });
  }

  private async readAgain({ device }: ResumeRecord): Promise<ResumeRecord | undefined> {
    const ofUser = await this.store.ofUser(device.tenant, device.userId);
    return ofUser.find((record) => record.device.deviceId === device.deviceId);
  }

  /** Whether the event is in the store. */
  private async append({ device, tenure }: DeviceChannel, event: ResumeEvent): Promise<boolean> {
    let isStored = false;
    await this.tasks.attempt('Keeping an event for a resume', async () => {
      isStored = await this.store.append(device, event, tenure);
    });
    return isStored;
  }
}

function numberFrom(record: ResumeRecord, tenure: Tenure, lastSequence: number | undefined): number {
  const isInDoubt = !record.isSealed && record.epoch !== tenure.epoch;
  const unstored = record.sequence + UNSTORED_EVENTS;
  if (lastSequence === undefined) return isInDoubt ? unstored : record.sequence;
  const seen = Math.max(record.sequence, Math.min(lastSequence, unstored));
  // One more than was seen: what the device has is not all, however often it asks before it has read its state anew.
  return isInDoubt ? seen + 1 : seen;
}
