import { createInterface } from 'node:readline';
import type { EdgeClient, ReceivedMessage, SentMessage, UserId } from '../index.ts';
import { findUser, untilStopped, withOnlineClient, type CommandContext } from './command-context.ts';

export interface ChatOptions {
  /** Send this instead of what is typed, and end when it is stored. */
  readonly send?: string;
  /** End after the first message that comes. */
  readonly once: boolean;
  readonly seconds?: number;
}

interface Line {
  readonly id: string;
  readonly text: string;
}

/** `parley chat`: sends what is typed and shows what comes, until Ctrl-C or the end of the input. */
export async function chatCommand(
  context: CommandContext,
  name: string,
  options: ChatOptions,
): Promise<void> {
  await withOnlineClient(context, async (client) => {
    const { userId, label } = await findUser(client, name);
    const chat = new Chat(context, client, userId, label);
    if (options.send !== undefined) await chat.send(options.send).then(({ stored }) => stored);
    if (options.send === undefined || options.once || options.seconds !== undefined) {
      await untilOver(context, chat, options);
    }
    await chat.settled();
    context.output.result(
      { peer: userId, sent: chat.sent, received: chat.received },
      `${String(chat.sent.length)} sent, ${String(chat.received.length)} received.`,
    );
  });
}

async function untilOver(context: CommandContext, chat: Chat, options: ChatOptions): Promise<void> {
  const ends = [untilStopped(context.signal, options.seconds)];
  if (options.once) ends.push(chat.first);
  if (options.send === undefined && !options.once) ends.push(readLines(context, chat));
  await Promise.race(ends);
}

/** Resolves at the end of the input. */
async function readLines({ signal, output }: CommandContext, chat: Chat): Promise<void> {
  const lines = createInterface({ input: process.stdin });
  signal.addEventListener('abort', () => lines.close());
  output.note('Type a line to send it; Ctrl-D or Ctrl-C ends the chat.');
  for await (const line of lines) if (line !== '') await chat.send(line);
}

/** One conversation on the terminal. */
class Chat {
  readonly sent: Line[] = [];
  readonly received: (Line & { readonly from: UserId; readonly sentAt: number })[] = [];
  /** Resolves with the first message of the peer. */
  readonly first: Promise<void>;
  readonly #context: CommandContext;
  readonly #client: EdgeClient;
  readonly #peer: UserId;
  readonly #label: string;
  readonly #stored: Promise<unknown>[] = [];

  constructor(context: CommandContext, client: EdgeClient, peer: UserId, label: string) {
    this.#context = context;
    this.#client = client;
    this.#peer = peer;
    this.#label = label;
    client.messages.on('receipt', (receipt) => {
      if (receipt.peer === peer) this.#event('receipt', receipt, `${label}: ${receipt.receipt}.`);
    });
    client.messages.on('request', (message) => {
      if (message.peer === peer) this.#event('request', message, `${label} (no contact): ${message.text}`);
    });
    this.first = new Promise((resolve) => {
      client.messages.on('message', (message) => {
        // Other conversations stay where they are until somebody opens them.
        if (message.peer !== peer) return new Promise(() => undefined);
        this.#show(message);
        if (!message.isOwn) resolve();
        return undefined;
      });
    });
  }

  async send(text: string): Promise<SentMessage> {
    const sent = await this.#client.messages.send(this.#peer, text);
    this.sent.push({ id: sent.id, text });
    this.#stored.push(sent.stored);
    return sent;
  }

  /** What was sent is stored, unless Ctrl-C says that nobody waits for it: then the next start goes on. */
  async settled(): Promise<void> {
    await Promise.race([Promise.all(this.#stored), untilStopped(this.#context.signal)]);
  }

  #show(message: ReceivedMessage): void {
    const { id, text, from, sentAt, isOwn } = message;
    if (!isOwn) this.received.push({ id, text, from: from.userId, sentAt });
    this.#event('message', message, `${isOwn ? 'you (elsewhere)' : this.#label}: ${text}`);
  }

  #event(name: string, event: object, text: string): void {
    this.#context.output.note(this.#context.options.json ? JSON.stringify({ event: name, ...event }) : text);
  }
}
