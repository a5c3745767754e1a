import { createSocket } from 'node:dgram';

/**
 * Another user of the same NAT: opens so many mappings per second, each with a socket of its own, and says how many it opened
 * when its standard input ends. Arguments: address and port of the destination, mappings per second, and most in all.
 */
const [address, port, perSecond, most] = process.argv.slice(2);
const intervalMs = 1_000 / Number(perSecond);
const beganAt = performance.now();
let opened = 0;
let left = 0;
let isStopping = false;

/** Below the ports that the system gives: one of those could come twice, and its second mapping would be the first one. */
const FIRST_PORT = 10_000;
const PORTS = 20_000;

function openOne(): void {
  const socket = createSocket('udp4');
  socket.bind(FIRST_PORT + (opened % PORTS));
  socket.send('x', Number(port), address, () => {
    socket.close();
    left += 1;
    sayWhenDone();
  });
  opened += 1;
}

/** Not before the NAT has seen them all. */
function sayWhenDone(): void {
  if (isStopping && left === opened) process.stdout.write(`${opened}\n`);
}

const timer = setInterval(
  () => {
    const due = Math.min(Number(most), Math.floor((performance.now() - beganAt) / intervalMs));
    while (opened < due) openOne();
  },
  Math.max(1, intervalMs / 2),
);
process.stdin.resume().on('end', () => {
  clearInterval(timer);
  isStopping = true;
  sayWhenDone();
});
