/** An app whose user becomes a contact of whoever asks, accepts every call and says nothing. Arguments: address of the supernode, identity folder. */
import { EdgeClient } from '@parley/edge-client';

const [url, dataDir] = process.argv.slice(2);
const client = await EdgeClient.open({
  url,
  dataDir,
  udp: { bind: { ipv4: { address: '127.0.0.1' }, ipv6: false }, includeLoopback: true },
});
await client.register({ handle: 'carol' });
client.contacts.on('change', ({ userId, contact }) => {
  if (contact?.state === 'pending-in') void client.contacts.accept(userId);
});
client.calls.on('incoming', (call) => void call.accept());
await client.connect();
process.stdout.write(`${client.identity.userId}\n`);
