import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EdgeClient, type EdgeClientOptions, type Session, type UserId } from '@parley/edge-client';

/** Folders and clients of one test file, cleared up together. */
export class ClientBench {
  readonly #url: string;
  readonly #clients: EdgeClient[] = [];
  readonly #folders: string[] = [];

  constructor(url: string) {
    this.#url = url;
  }

  async folder(): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), 'parley-client-'));
    this.#folders.push(folder);
    return folder;
  }

  async open(options: Partial<EdgeClientOptions> = {}): Promise<EdgeClient> {
    const client = await EdgeClient.open({
      url: this.#url,
      ...(options.identityStore ? {} : { dataDir: await this.folder() }),
      backoff: { baseMs: 50, capMs: 250 },
      udp: { bind: { ipv4: { address: '127.0.0.1' }, ipv6: false }, includeLoopback: true },
      ...options,
    });
    this.#clients.push(client);
    return client;
  }

  /** Registered and online. */
  async user(handle: string, options: Partial<EdgeClientOptions> = {}): Promise<EdgeClient> {
    const client = await this.open(options);
    await client.register({ handle });
    await client.connect();
    return client;
  }

  async clear(): Promise<void> {
    await Promise.all(this.#clients.splice(0).map((client) => client.close()));
    await Promise.all(this.#folders.splice(0).map((folder) => rm(folder, { recursive: true, force: true })));
  }
}

export function userIdOf(client: EdgeClient): UserId {
  const { userId } = client.identity;
  if (userId === undefined) throw new TypeError('The client has no account.');
  return userId;
}

/** Makes two online clients contacts of each other. */
export async function befriend(a: EdgeClient, b: EdgeClient): Promise<void> {
  const asked = contactState(b, userIdOf(a), 'pending-in');
  const agreed = contactState(a, userIdOf(b), 'accepted');
  await a.contacts.request(userIdOf(b));
  await asked;
  await b.contacts.accept(userIdOf(a));
  await agreed;
}

/** Resolves when a client's contact list says so; at once if it does already. */
export function contactState(client: EdgeClient, userId: UserId, state: string): Promise<void> {
  return new Promise((resolve) => {
    const off = client.contacts.on('change', (event) => {
      if (event.userId === userId && event.contact?.state === state) done();
    });
    const done = () => {
      off();
      resolve();
    };
    if (client.contacts.get(userId)?.state === state) done();
  });
}

/** The next session that this client accepts by itself. */
export function nextSession(client: EdgeClient): Promise<Session> {
  return new Promise((resolve, reject) => {
    client.on('session', ({ session }) => resolve(session));
    client.on('session-failed', ({ error }) => reject(error));
  });
}

/** Resolves when the session travels directly; at once if it does already. */
export function untilDirect(session: Session): Promise<void> {
  return new Promise((resolve) => {
    const off = session.onPath((path) => {
      if (path === 'direct') done();
    });
    const done = () => {
      off();
      resolve();
    };
    if (session.path === 'direct') done();
  });
}

export async function readText(stream: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts).toString();
}

export async function firstOf<Value>(values: AsyncIterable<Value>): Promise<Value> {
  for await (const value of values) return value;
  throw new TypeError('Nothing came.');
}
