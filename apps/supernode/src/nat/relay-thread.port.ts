import type { RelayCommand, RelayReport } from './relay-messages.ts';
import type { RelaySettings } from './relay-settings.ts';

export interface RelayThreadObserver {
  onReport(report: RelayReport): void;
  /** Once, whatever the cause; nothing follows. */
  onExit(cause: string): void;
}

/** One run of the STUN and TURN servers, apart from whoever started it. */
export interface RelayThread {
  post(command: RelayCommand): void;
  /** Resolves when it has ended. */
  stop(): Promise<void>;
}

export type RelayThreadFactory = (settings: RelaySettings, observer: RelayThreadObserver) => RelayThread;

export const RELAY_THREAD_FACTORY = Symbol('RelayThreadFactory');
