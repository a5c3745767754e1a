import { InProcessRelayThread } from './in-process-relay-thread.ts';
import type { RelayThreadFactory } from './relay-thread.port.ts';
import { WorkerRelayThread } from './worker-relay-thread.ts';

/** A worker thread from the compiled program; tests run the sources and get the same servers in process. */
export const startRelayThread: RelayThreadFactory = (settings, observer) => {
  const isCompiled = import.meta.url.endsWith('.js');
  if (!isCompiled) return new InProcessRelayThread(settings, observer);
  return new WorkerRelayThread(new URL('./relay.worker.js', import.meta.url), settings, observer);
};
