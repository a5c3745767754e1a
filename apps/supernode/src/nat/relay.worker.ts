/** Entry of the relay worker thread: owns the UDP sockets of STUN and TURN, so that media never waits for signalling. */
import { parentPort, workerData } from 'node:worker_threads';
import { SupernodeError } from '../errors.ts';
import { RelayHost } from './relay-host.ts';
import type { RelayCommand, RelayReport } from './relay-messages.ts';
import type { RelaySettings } from './relay-settings.ts';

const port = parentPort;
if (port === null) throw new SupernodeError('SN_INVARIANT', 'The relay worker runs as a worker thread only.');

const host = new RelayHost(workerData as RelaySettings, (report: RelayReport) => port.postMessage(report));

port.on('message', (command: RelayCommand) => {
  // A failure here is a bug: it ends the thread, and the supervisor starts another.
  void host.handle(command).then(() => {
    if (command.kind === 'stop') port.close();
  });
});
