/**
 * An app whose user becomes a contact of whoever asks and says nothing in a call. Arguments: address of the supernode, identity
 * folder, and `accepts` to accept every call or `calls` to call everybody who became a contact.
 */
import { EdgeClient } from '@parley/edge-client';

const [url, dataDir, habit] = process.argv.slice(2);
const client = await EdgeClient.open({
  url,
  dataDir,
  udp: { bind: { ipv4: { address: '127.0.0.1' }, ipv6: false }, includeLoopback: true },
});
await client.register({ handle: 'carol' });
client.contacts.on('change', ({ userId, contact }) => {
  if (contact?.state === 'pending-in') void client.contacts.accept(userId);
  if (contact?.state === 'accepted' && habit === 'calls') client.calls.call(userId);
});
if (habit === 'accepts') client.calls.on('incoming', (call) => void call.accept());
await client.connect();
process.stdout.write(`${client.identity.userId}\n`);
