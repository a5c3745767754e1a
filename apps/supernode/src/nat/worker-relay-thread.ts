import { Worker } from 'node:worker_threads';
import { messageOf } from '../errors.ts';
import type { RelayCommand, RelayReport } from './relay-messages.ts';
import type { RelaySettings } from './relay-settings.ts';
import type { RelayThread, RelayThreadObserver } from './relay-thread.port.ts';

/** How long the thread may take to close its sockets before it is ended by force. */
const STOP_LIMIT_MS = 2_000;

/** The relay in a worker thread of its own. */
export class WorkerRelayThread implements RelayThread {
  private readonly worker: Worker;
  private readonly exited: Promise<void>;
  private fault: string | undefined;

  constructor(entry: URL, settings: RelaySettings, observer: RelayThreadObserver) {
    this.worker = new Worker(entry, { workerData: settings, name: 'relay' });
    this.worker.on('message', (report: RelayReport) => observer.onReport(report));
    this.worker.on('error', (error) => (this.fault = messageOf(error)));
    this.exited = new Promise((resolve) => {
      this.worker.once('exit', (code) => {
        observer.onExit(this.fault ?? `exit code ${code}`);
        resolve();
      });
    });
  }

  post(command: RelayCommand): void {
    this.worker.postMessage(command);
  }

  async stop(): Promise<void> {
    this.post({ kind: 'stop' });
    const limit = setTimeout(() => void this.worker.terminate(), STOP_LIMIT_MS);
    await this.exited;
    clearTimeout(limit);
  }
}
