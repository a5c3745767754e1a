import { createHash } from 'node:crypto';
import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises';
import { EdgeClient, type Session, type SessionStream } from '@parley/edge-client';
import { handleSchema, userIdSchema } from '@parley/protocol';
import type { CommandHandlers } from '../../processes/command-messages.ts';
import { cpuTimer } from '../cpu-timer.ts';
import { machineClockMs } from '../machine-clock.ts';
import { until } from '../../processes/until.ts';
import type { ClientCommands, DatagramCount, StreamReceived } from './client-commands.ts';

const STREAM_CHUNK_BYTES = 64 * 1024;
/** When a turn of the event loop has made no room: the congestion window is full, and a loop would only burn time. */
const REFUSED_PAUSE_MS = 1;

/** An app around one edge client that does what a benchmark wants measured. */
export class BenchmarkClient {
  #client: EdgeClient | undefined;
  #session: Session | undefined;
  #incoming: Promise<Session> | undefined;
  #streams: AsyncIterator<SessionStream> | undefined;
  #directAt: Promise<number> | undefined;
  #counter: DatagramCounter | undefined;

  readonly handlers: CommandHandlers<ClientCommands> = {
    join: async ({ url, dataDir, handle, includeLoopback }) => {
      const client = await EdgeClient.open({ url, dataDir, udp: { includeLoopback } });
      this.#client = client;
      this.#incoming = this.#nextSession(client);
      if (client.identity.userId === undefined)
        await client.register({ handle: handleSchema.parse(handle), displayName: handle });
      await client.connect();
      return { userId: client.identity.userId ?? '' };
    },
    request: async ({ userId }) => {
      await this.client.contacts.request(userIdSchema.parse(userId));
      return null;
    },
    accept: async ({ userId }) => {
      await this.#contactIs(userId, 'pending-in');
      await this.client.contacts.accept(userIdSchema.parse(userId));
      return null;
    },
    waitForContact: ({ userId }) => this.#contactIs(userId, 'accepted'),
    signallingRoundTrip: async () => {
      const began = machineClockMs();
      await this.client.presence.set({ state: 'online' });
      return { ms: machineClockMs() - began };
    },
    openSession: async ({ userId }) => {
      const beganAt = machineClockMs();
      const session = await this.client.openSession(userIdSchema.parse(userId));
      const openAt = machineClockMs();
      const stream = session.openStream({ direction: 'unidirectional' });
      const written = stream.write(Uint8Array.of(1));
      this.#use(session);
      await written;
      const leftAt = machineClockMs();
      await stream.end();
      return { beganAt, openAt, leftAt };
    },
    takeSession: async () => {
      if (!this.#incoming) throw new TypeError('join first');
      const session = await this.#incoming;
      this.#incoming = this.#nextSession(this.client);
      const bytes = await (await this.#nextStream()).read();
      const firstByteAt = machineClockMs();
      if (bytes?.[0] !== 1) throw new TypeError('the first byte is not the one that was sent');
      return { firstByteAt, path: session.path };
    },
    waitForDirect: async () => ({ directAt: (await this.#directAt) ?? Number.NaN }),
    pathWithin: async ({ ms }) => {
      const { session } = this;
      const late = delay(ms).then(() => null);
      const directAt = await Promise.race([this.#directAt ?? null, late]);
      return { directAt, checksSent: session.stats().checksSent };
    },
    closeSession: async () => {
      await this.#session?.close();
      return null;
    },
    sendDatagrams: async ({ bytes, ms }) => {
      const cpu = cpuTimer();
      const sent = await sendDatagrams(this.session, bytes, ms);
      return { sent, cpuMs: cpu() };
    },
    countDatagrams: ({ bytes }) => {
      this.#counter?.stop();
      this.#counter = new DatagramCounter(this.session, bytes);
      return Promise.resolve(null);
    },
    datagramsCounted: () =>
      Promise.resolve(this.#counter?.stop() ?? { received: 0, wrong: 0, ms: 0, cpuMs: 0 }),
    sendStream: async ({ bytes }) => {
      const cpu = cpuTimer();
      await sendStream(this.session, bytes);
      return { cpuMs: cpu(), sha256: hashOfStream(bytes) };
    },
    receiveStream: async ({ withHash }) => receiveStream(await this.#nextStream(), withHash),
    leave: async () => {
      await this.#client?.close();
      return null;
    },
  };

  private get client(): EdgeClient {
    if (!this.#client) throw new TypeError('join first');
    return this.#client;
  }

  private get session(): Session {
    if (!this.#session) throw new TypeError('there is no session');
    return this.#session;
  }

  #nextSession(client: EdgeClient): Promise<Session> {
    return new Promise((resolve) => {
      const stop = client.on('session', ({ session }) => {
        stop();
        this.#use(session);
        resolve(session);
      });
    });
  }

  #use(session: Session): void {
    this.#session = session;
    this.#streams = session.incomingStreams[Symbol.asyncIterator]();
    this.#directAt = new Promise((resolve) => {
      if (session.path === 'direct') resolve(machineClockMs());
      session.onPath((path) => {
        if (path === 'direct') resolve(machineClockMs());
      });
    });
  }

  async #nextStream(): Promise<SessionStream> {
    const next = await this.#streams?.next();
    if (next === undefined || next.done === true) throw new TypeError('the session ended without a stream');
    return next.value;
  }

  async #contactIs(userId: string, state: string): Promise<null> {
    await until(`contact ${state}`, () =>
      this.client.contacts.list().find((contact) => contact.userId === userId && contact.state === state),
    );
    return null;
  }
}

async function sendDatagrams(session: Session, bytes: number, ms: number): Promise<number> {
  const datagram = Buffer.alloc(bytes, 'parley');
  const until = performance.now() + ms;
  let sent = 0;
  while (performance.now() < until) {
    const before = sent;
    while (session.sendDatagram(datagram)) sent += 1;
    await (sent > before ? nextTurn() : delay(REFUSED_PAUSE_MS));
  }
  return sent;
}

class DatagramCounter {
  readonly #stopListening: () => void;
  readonly #cpu = cpuTimer();
  #received = 0;
  #wrong = 0;
  #firstAt = 0;
  #lastAt = 0;

  constructor(session: Session, bytes: number) {
    this.#stopListening = session.onDatagram((datagram) => {
      if (datagram.length === bytes) this.#received += 1;
      else this.#wrong += 1;
      this.#lastAt = performance.now();
      if (this.#firstAt === 0) this.#firstAt = this.#lastAt;
    });
  }

  stop(): DatagramCount {
    this.#stopListening();
    const ms = this.#lastAt - this.#firstAt;
    return { received: this.#received, wrong: this.#wrong, ms, cpuMs: this.#cpu() };
  }
}

async function sendStream(session: Session, bytes: number): Promise<void> {
  const chunk = Buffer.alloc(STREAM_CHUNK_BYTES, 'parley');
  const stream = session.openStream({ direction: 'unidirectional' });
  for (let left = bytes; left > 0; left -= chunk.length)
    await stream.write(left >= chunk.length ? chunk : chunk.subarray(0, left));
  await stream.end();
  await stream.finished;
}

function hashOfStream(bytes: number): string {
  const chunk = Buffer.alloc(STREAM_CHUNK_BYTES, 'parley');
  const hash = createHash('sha256');
  for (let left = bytes; left > 0; left -= chunk.length)
    hash.update(left >= chunk.length ? chunk : chunk.subarray(0, left));
  return hash.digest('hex');
}

async function receiveStream(stream: SessionStream, withHash: boolean): Promise<StreamReceived> {
  const hash = withHash ? createHash('sha256') : undefined;
  let bytes = 0;
  let firstAt: number | undefined;
  const cpu = cpuTimer();
  for await (const chunk of stream) {
    firstAt ??= performance.now();
    bytes += chunk.length;
    hash?.update(chunk);
  }
  const ms = performance.now() - (firstAt ?? 0);
  return { bytes, sha256: hash?.digest('hex') ?? null, ms, cpuMs: cpu() };
}
