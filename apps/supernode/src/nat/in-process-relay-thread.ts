import { RelayHost } from './relay-host.ts';
import type { RelayCommand } from './relay-messages.ts';
import type { RelaySettings } from './relay-settings.ts';
import type { RelayThread, RelayThreadObserver } from './relay-thread.port.ts';

/** The relay on the caller's own thread: where the sources run untranslated, no worker can be started from them. */
export class InProcessRelayThread implements RelayThread {
  private readonly host: RelayHost;
  private readonly observer: RelayThreadObserver;

  constructor(settings: RelaySettings, observer: RelayThreadObserver) {
    this.observer = observer;
    this.host = new RelayHost(settings, (report) => observer.onReport(report));
  }

  post(command: RelayCommand): void {
    void this.host.handle(command);
  }

  async stop(): Promise<void> {
    await this.host.handle({ kind: 'stop' });
    this.observer.onExit('stopped');
  }
}
