/** An app that gets a message, says so, and never acknowledges it. Arguments: address of the supernode, identity folder. */
import { EdgeClient } from '@parley/edge-client';

const [url, dataDir] = process.argv.slice(2);
const client = await EdgeClient.open({
  url,
  dataDir,
  udp: { bind: { ipv4: { address: '127.0.0.1' }, ipv6: false }, includeLoopback: true },
});
client.messages.on('message', ({ text }) => {
  process.stdout.write(`${text}\n`);
  return new Promise(() => undefined);
});
await client.connect();
