import { writeSync } from 'node:fs';
import { ControlInput } from './control-input.ts';
import { TunDevice } from './tun-device.ts';
import { UserSpaceNat, type UserSpaceNatOptions } from './user-space-nat.ts';

/**
 * Entry point of the process that translates in place of the kernel: what the router hands to its device comes back out with
 * other addresses, or not at all.
 */
const MAX_PACKET_BYTES = 65_536;

const [device = '', options = '{}'] = process.argv.slice(2);
const tun = TunDevice.attach(device);
const control = new ControlInput<'forget'>();
const nat = new UserSpaceNat(JSON.parse(options) as UserSpaceNatOptions);
const room = Buffer.alloc(MAX_PACKET_BYTES);
writeSync(process.stdout.fd, 'ready\n');

for (;;) {
  if (tun.wait(undefined, control.descriptor)) {
    const commands = control.read();
    if (commands === undefined) break;
    for (const _ of commands) nat.forget();
    writeSync(process.stdout.fd, 'done\n');
  }
  for (;;) {
    const length = tun.read(room);
    if (length === 0) break;
    const packet = room.subarray(0, length);
    if (nat.translate(packet, performance.now())) tun.write(packet);
  }
}
