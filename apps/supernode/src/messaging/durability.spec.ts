import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { handleSchema, type MailboxItem } from '@parley/protocol';
import { EdgeConnection, solve } from '../gateway/testing/edge-connection.ts';
import { SigningAccount, SigningDevice } from '../identity/testing/signing-device.ts';
import { seedDataFolder } from '../persistence/testing/test-database.ts';
import type { SendRequest } from './message-admission.ts';
import { sendRequest } from './testing/sealed-copies.ts';

/** The built program, as operators run it. */
const MAIN = path.resolve(import.meta.dirname, '../../dist/main.js');
jest.setTimeout(120_000);

const SENDERS = 3;
/** Requests of one sender that are under way at one time, and how many follow each other in each. */
const LANES = 8;
const PER_LANE = 5;

let cleanUp: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const step of cleanUp.reverse()) await step();
  cleanUp = [];
});

interface Running {
  readonly child: ChildProcess;
  readonly url: string;
}

async function start(dataFolder: string): Promise<Running> {
  const env = {
    SUPERNODE_HOST: '127.0.0.1',
    SUPERNODE_EDGE_PORT: '0',
    SUPERNODE_ADMIN_PORT: '0',
    SUPERNODE_ROLES: 'index',
    SUPERNODE_PUZZLE_BITS: '1',
    SUPERNODE_DATA_DIR: dataFolder,
  };
  const child = spawn(process.execPath, [MAIN], { env, stdio: ['ignore', 'pipe', 'ignore'] });
  cleanUp.push(() => stop(child, 'SIGTERM'));
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  return { child, url: (JSON.parse(line) as { edge: string }).edge };
}

async function stop(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill(signal);
  await once(child, 'exit');
}

async function newDataFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'parley-durability-'));
  cleanUp.push(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  await seedDataFolder(folder);
  return folder;
}

/** A user with one device, that can sign in at any supernode of the cluster. */
class Person {
  readonly account = new SigningAccount();
  readonly device = new SigningDevice();
  private token = '';
  private current: EdgeConnection | undefined;

  get party() {
    return { userId: this.account.userId, deviceId: this.device.deviceId };
  }

  get connection(): EdgeConnection {
    if (!this.current) throw new TypeError('nobody signed in');
    return this.current;
  }

  async register(url: string, handle: string): Promise<void> {
    const connection = await this.connect(url);
    const { tenant } = this.account;
    const puzzle = await connection.request('register.puzzle', { tenant });
    const { token } = await connection.request('register', {
      puzzle: solve(puzzle),
      proof: this.device.prove(await connection.challenge(), 'register', { tenant }),
      handle: handleSchema.parse(handle),
      deviceList: this.account.next([this.device]),
    });
    this.token = token;
    await this.signIn(url);
  }

  async signIn(url: string): Promise<void> {
    const connection = await this.connect(url);
    const { token } = this;
    const proof = this.device.prove(await connection.challenge(), 'authenticate', { token });
    await connection.request('authenticate', { token, proof });
  }

  async mailbox(): Promise<MailboxItem[]> {
    const items: MailboxItem[] = [];
    for (let after = 0, hasMore = true; hasMore;) {
      const page = await this.connection.request('mailbox.read', { after });
      items.push(...page.items);
      after = page.cursor;
      hasMore = page.hasMore;
    }
    return items;
  }

  private async connect(url: string): Promise<EdgeConnection> {
    this.current?.close();
    const connection = await EdgeConnection.open(url);
    cleanUp.push(() => {
      connection.close();
      return Promise.resolve();
    });
    return (this.current = connection);
  }
}

interface World {
  readonly bob: Person;
  readonly senders: readonly Person[];
}

async function contactsOfBob(url: string): Promise<World> {
  const bob = new Person();
  await bob.register(url, 'bob');
  const senders = Array.from({ length: SENDERS }, () => new Person());
  for (const [at, sender] of senders.entries()) {
    await sender.register(url, `sender${String(at)}`);
    await sender.connection.request('contacts.request', { userId: bob.account.userId });
    await bob.connection.request('contacts.accept', { userId: sender.account.userId });
  }
  return { bob, senders };
}

interface Letter {
  readonly sender: Person;
  readonly request: SendRequest;
}

/** What each sender says in each lane, in order. */
function lettersOf({ bob, senders }: World, round: number): Letter[][] {
  return senders.flatMap((sender, s) =>
    Array.from({ length: LANES }, (_, lane) =>
      Array.from({ length: PER_LANE }, (_entry, n) => ({
        sender,
        request: sendRequest(bob.account.userId, [bob.party], [round, s, lane, n].map(String).join('/')),
      })),
    ),
  );
}

const keyOf = ({ sender, request }: Letter): string => `${sender.device.deviceId} ${request.messageId}`;
const keysIn = (items: readonly MailboxItem[]): string[] =>
  items.map(({ from, messageId }) => `${from.deviceId} ${messageId}`);

/** The letters of all lanes of one sender at one point of time, which travel together. */
function batchesOf(lanes: readonly Letter[][]): Letter[][][] {
  const senders = new Set(lanes.flat().map(({ sender }) => sender));
  return [...senders].map((sender) => {
    const own = lanes.filter(([first]) => first?.sender === sender);
    return Array.from({ length: PER_LANE }, (_, n) => own.flatMap((lane) => lane.slice(n, n + 1)));
  });
}

/** Sends every batch of every sender until it ends or the supernode does, and says what was acknowledged. */
async function sendBatchesUntil(
  lanes: readonly Letter[][],
  onAcknowledged: (count: number) => void,
): Promise<Letter[]> {
  const acknowledged: Letter[] = [];
  const sendAll = async (batches: readonly Letter[][]): Promise<void> => {
    for (const batch of batches) {
      const connection = batch[0]?.sender.connection;
      const messages = batch.map(({ request }) => request);
      const reply = await connection?.send('message.send-batch', { messages }).catch((error: unknown) => {
        if (connection.socket.connected) throw error;
        return undefined;
      });
      if (reply?.ok !== true) return;
      acknowledged.push(...batch.filter((_, at) => reply.data.outcomes[at]?.ok === true));
      onAcknowledged(acknowledged.length);
    }
  };
  await Promise.all(batchesOf(lanes).map(sendAll));
  return acknowledged;
}

/** Sends every lane until it ends or the supernode does, and says what was acknowledged. */
async function sendUntil(
  lanes: readonly Letter[][],
  onAcknowledged: (count: number) => void,
): Promise<Letter[]> {
  const acknowledged: Letter[] = [];
  const sendLane = async (lane: readonly Letter[]): Promise<void> => {
    for (const letter of lane) {
      const { connection } = letter.sender;
      const reply = await connection.send('message.send', letter.request).catch((error: unknown) => {
        if (connection.socket.connected) throw error;
        return undefined;
      });
      if (reply?.ok !== true) return;
      acknowledged.push(letter);
      onAcknowledged(acknowledged.length);
    }
  };
  await Promise.all(lanes.map(sendLane));
  return acknowledged;
}

describe('a supernode that is killed while messages are on their way', () => {
  it.each([
    ['one by one', sendUntil],
    ['in batches', sendBatchesUntil],
  ])(
    'has lost nothing of what came %s that it acknowledged, and doubles nothing when all is sent again',
    async (_how, send) => {
      const folder = await newDataFolder();
      let running = await start(folder);
      const world = await contactsOfBob(running.url);
      const { bob } = world;
      const total = SENDERS * LANES * PER_LANE;
      const expected: string[] = [];

      for (const [round, killAfter] of [1, Math.floor(total / 2)].entries()) {
        const lanes = lettersOf(world, round);
        const { child } = running;
        const acknowledged = await send(lanes, (count) => {
          if (count >= killAfter) child.kill('SIGKILL');
        });
        await stop(child, 'SIGKILL');
        running = await start(folder);
        for (const person of [bob, ...world.senders]) await person.signIn(running.url);

        const kept = keysIn(await bob.mailbox());
        expect(acknowledged.length).toBeGreaterThanOrEqual(killAfter);
        expect(acknowledged.length).toBeLessThan(total);
        expect(kept).toEqual(expect.arrayContaining(acknowledged.map(keyOf)));
        expect(new Set(kept).size).toBe(kept.length);

        expect(await send(lanes, () => undefined)).toHaveLength(total);
        expected.push(...lanes.flat().map(keyOf));
        const items = await bob.mailbox();
        expect(keysIn(items).sort()).toEqual([...expected].sort());
        expect(items.map(({ cursor }) => cursor)).toEqual(items.map((_, at) => at + 1));
      }
    },
  );
});

describe('a database that is away', () => {
  it('is told to every sender as an error to try again after, and then nothing is lost or doubled', async () => {
    const folder = await newDataFolder();
    const { url } = await start(folder);
    const world = await contactsOfBob(url);
    const [sender] = world.senders as [Person];
    const letters = lettersOf(world, 0)
      .flat()
      .filter((letter) => letter.sender === sender);
    const [postmaster = ''] = (await readFile(path.join(folder, 'postgres/postmaster.pid'), 'utf8')).split(
      '\n',
    );

    process.kill(Number(postmaster), 'SIGQUIT');
    const replies = await Promise.all(
      letters.map(({ request }) => sender.connection.send('message.send', request)),
    );

    const refused = replies.flatMap((reply) => (reply.ok ? [] : [reply.error]));
    expect(refused.length).toBeGreaterThan(0);
    for (const error of refused) expect(error).toMatchObject({ code: 'STORE_UNAVAILABLE', retryable: true });
    for (const letter of letters) await sendWhenBack(sender.connection, letter.request);
    const kept = keysIn(await world.bob.mailbox());
    expect(kept.sort()).toEqual(letters.map(keyOf).sort());
  });
});

/** Honours what the refusal says of when to come back. */
async function sendWhenBack(connection: EdgeConnection, request: SendRequest): Promise<void> {
  for (let attempt = 0; attempt < 30; attempt += 1) {
    const reply = await connection.send('message.send', request);
    if (reply.ok) return;
    expect(reply.error).toMatchObject({ code: 'STORE_UNAVAILABLE', retryable: true });
    await new Promise((resolve) => setTimeout(resolve, reply.error.retryAfterMs));
  }
  throw new TypeError('the database did not come back');
}
