import { createSocket } from 'node:dgram';
import { createInterface } from 'node:readline';

/**
 * One UDP socket, driven over standard streams, one JSON object per line: `{address, port, text}` to send goes in;
 * `{listening}`, `{received: {address, port, text}}` and `{error}` come out. Arguments: address and port to bind and,
 * optionally, address and port of the only peer, which makes the kernel report its refusals.
 */
const [address, port, peerAddress, peerPort] = process.argv.slice(2);
const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
const report = (event) => process.stdout.write(`${JSON.stringify(event)}\n`);

socket.on('message', (bytes, { address, port }) =>
  report({ received: { address, port, text: bytes.toString() } }),
);
socket.on('error', (error) => report({ error: error.code }));
socket.bind(Number(port), address, () => {
  const listening = { listening: socket.address().port };
  if (peerPort === undefined) report(listening);
  else socket.connect(Number(peerPort), peerAddress, () => report(listening));
});

createInterface({ input: process.stdin }).on('line', (line) => {
  const { address, port, text } = JSON.parse(line);
  const reportRefusal = (error) => error && report({ error: error.code });
  if (peerPort === undefined) socket.send(text, port, address, reportRefusal);
  else socket.send(text, reportRefusal);
});
process.stdin.on('end', () => process.exit());
