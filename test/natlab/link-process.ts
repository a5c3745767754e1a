import { writeSync } from 'node:fs';
import { DelayLine, type LinkImpairment } from './delay-line.ts';
import { TunDevice } from './tun-device.ts';

/**
 * Entry point of the process that plays the distance between the hosts of a lab: everything that crosses the internet is
 * routed into its device, and back out after a while. It does nothing else, so it blocks in system calls, which keeps time
 * better than an event loop; whoever started it ends it with a signal.
 */
const MAX_PACKET_BYTES = 65_536;
/** Packets of one reading, so that a flood does not keep back what is due. */
const MAX_PACKETS_PER_TURN = 64;
/** Waits end this much late, in milliseconds: woken that much early, the rest is spent looking at the clock. */
const WAKE_EARLY_MS = 0.1;

const [device = '', impairment = '{}'] = process.argv.slice(2);
const tun = TunDevice.attach(device);
const line = new DelayLine(JSON.parse(impairment) as LinkImpairment);
const room = Buffer.alloc(MAX_PACKET_BYTES);
writeSync(process.stdout.fd, 'ready\n');

for (;;) {
  for (let count = 0; count < MAX_PACKETS_PER_TURN; count += 1) {
    const length = tun.read(room);
    if (length === 0) break;
    line.add(Uint8Array.prototype.slice.call(room, 0, length), performance.now());
  }
  for (;;) {
    const packet = line.takeDue(performance.now());
    if (packet === undefined) break;
    tun.write(packet); // one for a host that is not there is dropped, as on the real internet
  }
  const dueAt = line.nextDueAt();
  const leftMs = dueAt === undefined ? undefined : dueAt - performance.now() - WAKE_EARLY_MS;
  tun.wait(leftMs === undefined ? undefined : Math.max(0, leftMs));
}
