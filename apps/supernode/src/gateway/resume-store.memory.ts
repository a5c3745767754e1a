import { LIMITS, type TenantId, type UserId } from '@parley/protocol';
import type { Tenure } from '../cluster/ownership.port.ts';
import type { Slot } from '../cluster/slot.ts';
import { deviceKey, type DeviceAddress } from '../identity/caller.ts';
import type { ResumeEvent, ResumeRecord, ResumeStore, TakeOver } from './resume-store.port.ts';

interface StoredRecord {
  readonly device: DeviceAddress;
  readonly tokenHash: string;
  isLinked: boolean;
  sequence: number;
  completeSince: number;
  events: ResumeEvent[];
  epoch: number;
  isSealed: boolean;
}

/** Resume state of a single supernode. */
export class MemoryResumeStore implements ResumeStore {
  private readonly records = new Map<string, StoredRecord>();
  private readonly byToken = new Map<string, StoredRecord>();
  /** Highest epoch under which a record was opened. */
  private readonly fences = new Map<Slot, number>();

  open(
    device: DeviceAddress,
    { tokenHash, isLinked }: { tokenHash: string; isLinked: boolean },
    tenure: Tenure,
  ): Promise<boolean> {
    const older = this.records.get(deviceKey(device));
    const { slot, epoch } = tenure;
    if (Math.max(older?.epoch ?? 0, this.fences.get(slot) ?? 0) > epoch) return Promise.resolve(false);
    this.fences.set(slot, epoch);
    this.forget(device);
    const record: StoredRecord = {
      device,
      tokenHash,
      isLinked,
      sequence: 0,
      completeSince: 0,
      events: [],
      epoch,
      isSealed: false,
    };
    this.records.set(deviceKey(device), record);
    this.byToken.set(tokenHash, record);
    return Promise.resolve(true);
  }

  append(device: DeviceAddress, event: ResumeEvent, tenure: Tenure): Promise<boolean> {
    return this.write(device, tenure, (record) => {
      if (event.sequence <= record.sequence) return false;
      if (event.sequence !== record.sequence + 1) record.completeSince = event.sequence - 1;
      record.sequence = event.sequence;
      record.events.push(event);
      const oldest = record.events.length > LIMITS.maxResumeEvents ? record.events.shift() : undefined;
      record.completeSince = Math.max(record.completeSince, oldest?.sequence ?? 0);
      return true;
    });
  }

  async trim(device: DeviceAddress, sequence: number, tenure: Tenure): Promise<void> {
    await this.write(device, tenure, (record) => {
      record.completeSince = Math.max(record.completeSince, Math.min(sequence, record.sequence));
      record.events = record.events.filter((event) => event.sequence > sequence);
      return true;
    });
  }

  async link(device: DeviceAddress, tenure: Tenure): Promise<void> {
    await this.write(device, tenure, (record) => (record.isLinked = true));
  }

  find(tokenHash: string): Promise<ResumeRecord | undefined> {
    const record = this.byToken.get(tokenHash);
    return Promise.resolve(record && copyOf(record));
  }

  ofUser(tenant: TenantId, userId: UserId): Promise<readonly ResumeRecord[]> {
    const ofUser = [...this.records.values()].filter(
      ({ device }) => device.tenant === tenant && device.userId === userId,
    );
    return Promise.resolve(ofUser.map(copyOf));
  }

  async takeOver(
    device: DeviceAddress,
    { read, sequence }: { readonly read: number; readonly sequence: number },
    tenure: Tenure,
  ): Promise<TakeOver> {
    let outcome: TakeOver = 'gone';
    await this.write(device, tenure, (record) => {
      outcome = record.sequence === read ? 'taken' : 'changed';
      if (outcome === 'changed') return false;
      if (sequence !== record.sequence) record.completeSince = sequence;
      record.sequence = sequence;
      return true;
    });
    return outcome;
  }

  async seal(device: DeviceAddress, tenure: Tenure): Promise<void> {
    const isWritten = await this.write(device, tenure, () => true);
    const record = this.records.get(deviceKey(device));
    if (isWritten && record) record.isSealed = true;
  }

  async close(device: DeviceAddress, tenure: Tenure): Promise<void> {
    if (await this.write(device, tenure, () => true)) this.forget(device);
  }

  /** `change` says whether there was anything to write. */
  private write(
    device: DeviceAddress,
    tenure: Tenure,
    change: (record: StoredRecord) => boolean,
  ): Promise<boolean> {
    const record = this.records.get(deviceKey(device));
    if (!record || record.epoch > tenure.epoch || !change(record)) return Promise.resolve(false);
    record.epoch = tenure.epoch;
    record.isSealed = false;
    return Promise.resolve(true);
  }

  private forget(device: DeviceAddress): void {
    const record = this.records.get(deviceKey(device));
    if (!record) return;
    this.records.delete(deviceKey(device));
    this.byToken.delete(record.tokenHash);
  }
}

function copyOf({ tokenHash: _, ...record }: StoredRecord): ResumeRecord {
  return { ...record, events: [...record.events] };
}
