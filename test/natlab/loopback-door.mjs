/** Listens on TCP ports of loopback where it runs, and passes each connection on to a socket in the file system: `port=path`, … */
import { connect, createServer } from 'node:net';

/** Whoever said all may still listen. */
const HALF_OPEN = { allowHalfOpen: true };

const doors = process.argv.slice(2).map((door) => door.split('='));
let left = doors.length;

for (const [port, path] of doors) {
  const server = createServer(HALF_OPEN, (near) => {
    const far = connect({ path, ...HALF_OPEN });
    near.pipe(far).pipe(near);
    near.on('error', () => far.destroy());
    far.on('error', () => near.destroy());
  });
  server.on('error', ({ code }) => {
    process.stdout.write(`${code}\n`, () => process.exit(1));
  });
  server.listen(Number(port), '127.0.0.1', () => {
    left -= 1;
    if (left === 0) process.stdout.write('ready\n');
  });
}
