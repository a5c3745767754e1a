import { readFile, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import {
  EdgeClient,
  WavSink,
  WavSource,
  type Call,
  type CallEnd,
  type IncomingCall,
} from '@parley/edge-client';
import { handleSchema, userIdSchema } from '@parley/protocol';
import type { CommandHandlers } from '../../processes/command-messages.ts';
import { until } from '../../processes/until.ts';
import type { CallReport, EverydayCommands } from './everyday-messages.ts';

const SAMPLE_RATE = 16_000;
const MAX_RECORDING_SECONDS = 60;

/** An app that writes and calls, driven by the demo's commands. */
export class EverydayApp {
  #client: EdgeClient | undefined;
  #linked: Promise<unknown> | undefined;
  #ringing: IncomingCall | undefined;
  #recorded = 0;
  readonly #messages: { id: string; text: string }[] = [];

  readonly handlers: CommandHandlers<EverydayCommands> = {
    open: async ({ url, dataDir, includeLoopback }) => {
      const client = await EdgeClient.open({ url, dataDir, udp: { includeLoopback } });
      this.#client = client;
      client.messages.on('message', ({ id, text }) => {
        this.#messages.push({ id, text });
        return Promise.resolve();
      });
      client.calls.on('recorded', ({ record }) => {
        if (record.outcome !== null) this.#recorded += 1;
      });
      client.calls.on('incoming', (call) => {
        this.#ringing = call;
      });
      return null;
    },
    register: async ({ handle }) => {
      await this.client.register({ handle: handleSchema.parse(handle) });
      return { userId: this.client.identity.userId ?? '' };
    },
    connect: async () => {
      await this.client.connect();
      return null;
    },
    linkCode: async () => {
      const invitation = await this.client.linkCode();
      this.#linked = invitation.approved;
      return { code: invitation.code };
    },
    approveLink: async ({ code, name }) => {
      await this.client.approveLink(code, { name });
      return null;
    },
    linked: async () => {
      await this.#linked;
      return null;
    },
    requestContact: async ({ handle }) => {
      const { userId } = await this.client.directory.lookup({ handle: handleSchema.parse(handle) });
      await this.client.contacts.request(userId);
      return { userId };
    },
    acceptContact: async ({ userId }) => {
      const peer = userIdSchema.parse(userId);
      await until('the request', () => this.client.contacts.get(peer));
      await this.client.contacts.accept(peer);
      return null;
    },
    sendMessage: async ({ userId, text }) => {
      const sent = await this.client.messages.send(userIdSchema.parse(userId), text);
      await sent.stored;
      return { id: sent.id };
    },
    messages: async ({ quietMs }) => {
      await until('the first message', () => this.#messages[0], 30_000);
      await delay(quietMs); // a second copy would come now
      return [...this.#messages];
    },
    call: async ({ userId, wav }) => {
      const call = this.client.calls.call(userIdSchema.parse(userId), { sampleRate: SAMPLE_RATE });
      const talking = await call.connected;
      await play(talking, wav);
      await talking.hangUp();
      return report(await talking.ended);
    },
    ringing: async () => {
      await until('a ringing call', () => this.#ringing, 30_000);
      return null;
    },
    answer: async ({ record }) => {
      const call = this.#requireRinging();
      const sink = new WavSink(SAMPLE_RATE, MAX_RECORDING_SECONDS);
      call.recordPcm((pcm) => sink.write(pcm));
      await call.accept({ sampleRate: SAMPLE_RATE });
      const end = await call.ended;
      await writeFile(record, sink.toFile());
      return report(end);
    },
    letRing: async () => {
      const call = this.#requireRinging();
      return report(await call.ended);
    },
    history: async () => {
      // The supernode writes the call down when it is over, and then tells every device.
      await until('a recorded call', () => (this.#recorded > 0 ? true : undefined));
      const records = await this.client.calls.history();
      return records.map(({ sessionId, outcome }) => ({ sessionId, outcome }));
    },
    close: async () => {
      await this.#client?.close();
      return null;
    },
  };

  private get client(): EdgeClient {
    if (!this.#client) throw new TypeError('the client is not open');
    return this.#client;
  }

  #requireRinging(): IncomingCall {
    if (!this.#ringing) throw new TypeError('nothing rings');
    return this.#ringing;
  }
}

async function play(call: Call, wav: string): Promise<void> {
  const source = new WavSource(await readFile(wav));
  call.voice.source = source;
  await until('the end of the file', () => (source.hasEnded ? true : undefined), 60_000);
}

function report(end: CallEnd): CallReport {
  return {
    cause: end.cause,
    outcome: end.outcome,
    rangMs: end.rangMs ?? null,
    durationMs: end.durationMs,
    mos: end.voice?.mos ?? null,
    framesHeard: (end.voice?.framesPlayed ?? 0) + (end.voice?.framesRecovered ?? 0),
  };
}
