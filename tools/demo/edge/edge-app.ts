import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { userIdSchema, handleSchema } from '@parley/protocol';
import { EdgeClient, receiveFile, sendFile, type ReceivedFile, type Session } from '@parley/edge-client';
import { decodeWav, encodeWav } from '../media/wav.ts';
import { VoiceRecorder } from '../media/voice-recorder.ts';
import { VoiceSender } from '../media/voice-sender.ts';
import type { CommandHandlers } from '../../processes/command-messages.ts';
import { until } from '../../processes/until.ts';
import type { EdgeCommands } from './edge-messages.ts';

/** An app around one edge client, as a developer would write it, driven by the demo's commands. */
export class EdgeApp {
  #client: EdgeClient | undefined;
  #session: Session | undefined;
  #incoming: Promise<{ session: Session; peer: string; atMs: number }> | undefined;
  #file: Promise<ReceivedFile> | undefined;
  readonly #recorder = new VoiceRecorder();
  #beganMs = 0;

  readonly handlers: CommandHandlers<EdgeCommands> = {
    open: async ({ url, dataDir, includeLoopback }) => {
      const client = await EdgeClient.open({ url, dataDir, udp: { includeLoopback } });
      this.#client = client;
      this.#incoming = new Promise((resolve) => {
        client.on('session', ({ session, peer }) => {
          const atMs = performance.now();
          this.#session = session;
          this.#beganMs = atMs;
          session.onDatagram((bytes) => this.#recorder.add(bytes));
          resolve({ session, peer: peer.userId, atMs });
        });
      });
      return null;
    },
    register: async ({ handle, displayName }) => {
      const began = performance.now();
      await this.client.register({ handle: handleSchema.parse(handle), displayName });
      return { userId: this.client.identity.userId ?? '', ms: performance.now() - began };
    },
    connect: async () => {
      await this.client.connect();
      return null;
    },
    lookup: async ({ handle }) => {
      const { userId, displayName } = await this.client.directory.lookup({
        handle: handleSchema.parse(handle),
      });
      return { userId, displayName };
    },
    requestContact: async ({ userId }) => {
      await this.client.contacts.request(userIdSchema.parse(userId));
      return null;
    },
    acceptContact: async ({ userId }) => {
      await this.client.contacts.accept(userIdSchema.parse(userId));
      return null;
    },
    watch: async ({ userId }) => {
      const [presence] = await this.client.presence.subscribe(userIdSchema.parse(userId));
      return { state: presence?.state ?? 'offline' };
    },
    setPresence: async (setting) => {
      await this.client.presence.set(setting);
      return null;
    },
    waitForPresence: async ({ userId, state }) => {
      const began = performance.now();
      const presence = await until(`presence ${state}`, () => {
        const known = this.client.presence.get(userIdSchema.parse(userId));
        return known?.state === state ? known : undefined;
      });
      return { statusText: presence.statusText, ms: performance.now() - began };
    },
    waitForRequest: ({ userId }) => this.#waitForContact(userId, 'pending-in'),
    waitForContact: ({ userId }) => this.#waitForContact(userId, 'accepted'),
    openSession: async ({ userId, policy }) => {
      const began = performance.now();
      const session = await this.client.openSession(userIdSchema.parse(userId), { policy });
      this.#session = session;
      this.#beganMs = began;
      return { setupMs: performance.now() - began };
    },
    takeSession: async ({ into }) => {
      if (!this.#incoming) throw new TypeError('takeSession before open');
      const { session, peer } = await this.#incoming;
      this.#file = (async () => {
        for await (const stream of session.incomingStreams) return receiveFile(stream, { into });
        throw new TypeError('the session ended without a file');
      })();
      this.#file.catch(() => undefined); // reported by `received`
      return { peer };
    },
    streamVoice: async ({ wav }) => {
      const { samples } = decodeWav(await readFile(wav));
      const sender = new VoiceSender(this.session, samples);
      let sequenceAtSwitch: number | null = null;
      const stop = this.session.onPath((path) => {
        if (path === 'direct') sequenceAtSwitch ??= sender.nextSequence;
      });
      await sender.run();
      stop();
      return { frames: sender.frames, framesSent: sender.framesSent, sequenceAtSwitch };
    },
    sendFile: async ({ path }) => {
      const began = performance.now();
      const { sha256 } = await sendFile(this.session, path);
      return { sha256, ms: performance.now() - began };
    },
    received: async ({ expectedFrames, record, sampleRate }) => {
      const samples = this.#recorder.samples(expectedFrames);
      await writeFile(record, encodeWav({ sampleRate, channels: 1, bitsPerSample: 16, samples }));
      const file = await this.#file;
      const content = file && (await readFile(file.path));
      return {
        framesReceived: this.#recorder.framesReceived,
        framesRejected: this.#recorder.rejected,
        missingSequences: this.#recorder.missing(0, expectedFrames),
        file: content
          ? {
              path: file.path,
              bytes: content.length,
              sha256: createHash('sha256').update(content).digest('hex'),
            }
          : null,
      };
    },
    packetsReceived: () => Promise.resolve(this.#session?.stats().packetsReceived ?? 0),
    paths: () => {
      const changes = this.session.pathHistory.map(({ path, at }) => ({ path, atMs: at - this.#beganMs }));
      return Promise.resolve(changes);
    },
    close: async () => {
      await this.#session?.close();
      await this.#client?.close();
      return null;
    },
  };

  private get client(): EdgeClient {
    if (!this.#client) throw new TypeError('the client is not open');
    return this.#client;
  }

  private get session(): Session {
    if (!this.#session) throw new TypeError('there is no session');
    return this.#session;
  }

  async #waitForContact(userId: string, state: string): Promise<null> {
    await until(`contact ${state}`, () =>
      this.client.contacts.list().find((contact) => contact.userId === userId && contact.state === state),
    );
    return null;
  }
}
