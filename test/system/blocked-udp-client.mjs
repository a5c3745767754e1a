/**
 * One edge client in a process of its own, for a machine of the NAT lab. Commands come as IPC messages `{ id, command, params }`
 * and are answered with `{ id, result }` or `{ id, error }`.
 */
import { Buffer } from 'node:buffer';
import process from 'node:process';
import { EdgeClient } from '@parley/edge-client';
import { acquaintance } from './acquaintance.mjs';

let client;
let incoming;
let session;

async function textOf(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts).toString();
}

const commands = {
  async join({ url, dataDir, handle }) {
    client = await EdgeClient.open({ url, dataDir });
    incoming = new Promise((resolve) => client.on('session', (event) => resolve(event.session)));
    await client.register({ handle });
    await client.connect();
    return client.identity.userId;
  },
  ...acquaintance(() => client),
  /** Asks on a stream of the session, which is opened with the first question; gives the answer with how the session travels. */
  async ask({ userId, question }) {
    session ??= await client.openSession(userId);
    const stream = session.openStream();
    await stream.write(Buffer.from(question));
    await stream.end();
    return { answer: await textOf(stream), path: session.path };
  },
  /** Answers every stream of the first session with what it asked, in capitals; gives how the session travels at first. */
  async answer() {
    session = await incoming;
    return new Promise((resolve, reject) => {
      const serve = async () => {
        for await (const stream of session.incomingStreams) {
          await stream.write(Buffer.from((await textOf(stream)).toUpperCase()));
          await stream.end();
          resolve(session.path);
        }
      };
      serve().catch(reject);
    });
  },
  netcheck: () => client.netcheck({ timeoutMs: 3000 }),
};

process.on('message', ({ id, command, params }) => {
  commands[command](params).then(
    (result) => process.send({ id, result }),
    (error) => process.send({ id, error: String(error?.stack ?? error) }),
  );
});
// Nobody would end it where the test is gone.
process.on('disconnect', () => process.exit(1));
