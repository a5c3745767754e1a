import { Inject, Injectable } from '@nestjs/common';
import {
  LIMITS,
  settledCallRecord,
  type CallEndCause,
  type RequestOf,
  type ResponseOf,
  type SessionId,
} from '@parley/protocol';
import { CLOCK, type Clock } from '../clock/clock.port.ts';
import type { Caller, DeviceAddress } from '../identity/caller.ts';
import { Metrics } from '../observability/metrics.ts';
import { entriesOf, factsOfEntry, type CallFacts } from './call-facts.ts';
import { CALL_LOG, type CallLog } from './call-log.port.ts';
import { CallRecorder } from './call-recorder.ts';
import { CallRetention } from './call-retention.service.ts';

/** What calls leave behind, and what devices read of it. */
@Injectable()
export class CallHistory {
  private readonly calls;

  constructor(
    @Inject(CALL_LOG) private readonly log: CallLog,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly recorder: CallRecorder,
    private readonly retention: CallRetention,
    metrics: Metrics,
  ) {
    this.calls = metrics.counter('calls_total', 'Calls that ended, by outcome for the caller', ['outcome']);
  }

  /** The call goes on: it has a record from now on, in case nobody reports its end. */
  answered(call: CallFacts): void {
    this.recorder.record(entriesOf(call, null));
  }

  ended(call: CallFacts, cause: CallEndCause, at = this.clock.now()): void {
    const entries = entriesOf(call, { cause, at });
    const [outgoing] = entries;
    if (outgoing?.outcome) this.calls.inc({ outcome: outgoing.outcome });
    this.recorder.record(entries);
  }

  /** An answered call that only the database remembers, if the device is a party of it. */
  async remembered(
    device: DeviceAddress,
    sessionId: SessionId,
  ): Promise<{ readonly call: CallFacts; readonly isOver: boolean } | undefined> {
    const entry = await this.log.find(device.tenant, device.userId, sessionId);
    if (!entry || entry.answeredBy === null) return undefined;
    const isParty = [entry.callerDeviceId, entry.answeredBy].includes(device.deviceId);
    return isParty ? { call: factsOfEntry(entry), isOver: entry.outcome !== null } : undefined;
  }

  async history(
    { tenant, userId }: Caller,
    { after, limit = LIMITS.maxCallRecordsPerAnswer }: RequestOf<'calls.history'>,
  ): Promise<ResponseOf<'calls.history'>> {
    const { calls, hasMore } = await this.log.page(tenant, userId, after, limit, this.retention.since);
    const now = this.clock.now();
    return { calls: calls.map((record) => settledCallRecord(record, now)), hasMore };
  }
}
