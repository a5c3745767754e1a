import { LIMITS } from '@parley/protocol';
import { deviceKey, type DeviceAddress } from '../identity/caller.ts';
import type { ResumeEvent, ResumeRecord, ResumeStore } from './resume-store.port.ts';

interface StoredRecord {
  readonly device: DeviceAddress;
  readonly tokenHash: string;
  sequence: number;
  events: ResumeEvent[];
}

/** Resume state of a single supernode. */
export class MemoryResumeStore implements ResumeStore {
  private readonly records = new Map<string, StoredRecord>();
  private readonly byToken = new Map<string, StoredRecord>();

  open(device: DeviceAddress, tokenHash: string): Promise<void> {
    this.forget(device);
    const record = { device, tokenHash, sequence: 0, events: [] };
    this.records.set(deviceKey(device), record);
    this.byToken.set(tokenHash, record);
    return Promise.resolve();
  }

  append(device: DeviceAddress, event: ResumeEvent): Promise<void> {
    const record = this.records.get(deviceKey(device));
    if (record) {
      record.sequence = event.sequence;
      record.events.push(event);
      if (record.events.length > LIMITS.maxResumeEvents) record.events.shift();
    }
    return Promise.resolve();
  }

  trim(device: DeviceAddress, sequence: number): Promise<void> {
    const record = this.records.get(deviceKey(device));
    if (record) record.events = record.events.filter((event) => event.sequence > sequence);
    return Promise.resolve();
  }

  find(tokenHash: string): Promise<ResumeRecord | undefined> {
    const record = this.byToken.get(tokenHash);
    return Promise.resolve(
      record && { device: record.device, sequence: record.sequence, events: [...record.events] },
    );
  }

  close(device: DeviceAddress): Promise<void> {
    this.forget(device);
    return Promise.resolve();
  }

  private forget(device: DeviceAddress): void {
    const record = this.records.get(deviceKey(device));
    if (!record) return;
    this.records.delete(deviceKey(device));
    this.byToken.delete(record.tokenHash);
  }
}
