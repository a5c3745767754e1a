import { writeSync } from 'node:fs';
import { ControlInput } from './control-input.ts';
import { Distances, type DistancesOptions, type PlaceImpairment } from './distances.ts';
import { TunDevice } from './tun-device.ts';

/**
 * Entry point of the process that plays the distance between the hosts of a lab: everything that crosses the internet is
 * routed into its device, and back out after a while. It does nothing else, so it blocks in system calls, which keeps time
 * better than an event loop; it ends with its standard input.
 */
const MAX_PACKET_BYTES = 65_536;
/** Packets of one reading, so that a flood does not keep back what is due. */
const MAX_PACKETS_PER_TURN = 64;
/** Waits end this much late, in milliseconds: woken that much early, the rest is spent looking at the clock. */
const WAKE_EARLY_MS = 0.1;

const [device = '', options = '{}'] = process.argv.slice(2);
const tun = TunDevice.attach(device);
const control = new ControlInput<PlaceImpairment>();
const distances = new Distances(JSON.parse(options) as DistancesOptions);
const room = Buffer.alloc(MAX_PACKET_BYTES);
writeSync(process.stdout.fd, 'ready\n');

for (;;) {
  for (let count = 0; count < MAX_PACKETS_PER_TURN; count += 1) {
    const length = tun.read(room);
    if (length === 0) break;
    distances.add(Uint8Array.prototype.slice.call(room, 0, length), performance.now());
  }
  for (;;) {
    const packet = distances.takeDue(performance.now());
    if (packet === undefined) break;
    tun.write(packet); // one for a host that is not there is dropped, as on the real internet
  }
  const dueAt = distances.nextDueAt();
  const leftMs = dueAt === undefined ? undefined : Math.max(0, dueAt - performance.now() - WAKE_EARLY_MS);
  if (tun.wait(leftMs, control.descriptor)) {
    const changes = control.read();
    if (changes === undefined) break;
    for (const change of changes) distances.change(change);
    writeSync(process.stdout.fd, 'done\n');
  }
}
