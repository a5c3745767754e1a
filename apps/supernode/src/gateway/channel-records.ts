import type { BackgroundTasks } from '../background-tasks.ts';
import type { Tenure } from '../cluster/ownership.port.ts';
import { DeviceChannel } from './device-channel.ts';
import type { ResumeEvent, ResumeRecord, ResumeStore } from './resume-store.port.ts';

/**
 * More events than a supernode can have sent before it stored them. Who takes a record over that was not sealed numbers from
 * beyond them, so that no number stands for two events.
 */
const UNSTORED_EVENTS = 1_000_000;
/** An owner that stops sends what it had in a few writes. */
const MAX_ATTEMPTS = 16;

/** What the resume store has of channels: it follows them, and channels of another supernode begin from it. */
export class ChannelRecords {
  constructor(
    private readonly store: ResumeStore,
    private readonly tasks: BackgroundTasks,
  ) {}

  keep(channel: DeviceChannel, event: ResumeEvent): void {
    channel.storing(event, this.append(channel, event));
  }

  async link({ device, tenure }: DeviceChannel): Promise<void> {
    await this.tasks.attempt('Noting that a device takes part', () => this.store.link(device, tenure));
  }

  /** A record that can't be ended now ends by itself. */
  async close({ device, tenure }: DeviceChannel): Promise<void> {
    await this.tasks.attempt('Ending a resume record', () => this.store.close(device, tenure));
  }

  /** Says that nothing is missing, where that is so. */
  async seal(channel: DeviceChannel): Promise<void> {
    await this.tasks.attempt('Sealing a resume record', async () => {
      if (await channel.isStored()) await this.store.seal(channel.device, channel.tenure);
    });
  }

  /**
   * A channel that goes on with a record of another supernode, which may have sent more than it stored unless it sealed the
   * record. Undefined when the record is gone or has another owner.
   *
   * @param lastSequence - what the device says to have seen, when it is there to say so
   */
  async takeOver(
    record: ResumeRecord,
    tenure: Tenure,
    lastSequence?: number,
  ): Promise<DeviceChannel | undefined> {
    const { device } = record;
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
