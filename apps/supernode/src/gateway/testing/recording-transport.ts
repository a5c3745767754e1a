import type { Transport } from '../connection.ts';

/** A transport that keeps what was sent, as `event#sequence`. */
export class RecordingTransport implements Transport {
  readonly sent: string[] = [];
  readonly payloads: unknown[] = [];
  isClosed = false;

  emit(event: string, payload: unknown, meta: { sequence: number }): void {
    this.sent.push(`${event}#${meta.sequence}`);
    this.payloads.push(payload);
  }

  close(): void {
    this.isClosed = true;
  }
}
