import {
  receiveFile,
  sendFile,
  type EdgeClient,
  type Party,
  type PathPolicy,
  type ReceivedFile,
  type Session,
} from '../index.ts';
import { findUser, untilStopped, withOnlineClient, type CommandContext } from './command-context.ts';
import { formatBytes, formatProgress } from './output.ts';

/** `parley send` */
export async function sendCommand(
  context: CommandContext,
  to: string,
  path: string,
  { policy }: { readonly policy: PathPolicy },
): Promise<void> {
  await withOnlineClient(context, async (client) => {
    const { userId, label } = await findUser(client, to);
    context.output.note(`Calling ${label} …`);
    const session = await client.openSession(userId, { policy, signal: context.signal });
    context.signal.addEventListener('abort', () => void session.close());
    context.output.note(`Connected (${session.path}).`);
    session.onPath((state) => context.output.note(`Path: ${state}.`));
    const startedAt = performance.now();
    const sent = await sendFile(session, path, {
      onProgress: ({ name, bytes, size }) => context.output.progress(formatProgress(name, bytes, size)),
    });
    const seconds = (performance.now() - startedAt) / 1000;
    const finalPath = session.path;
    await session.close();
    context.output.result(
      { ...sent, to: userId, path: finalPath, seconds },
      `Sent ${sent.name}, ${formatBytes(sent.bytes)} in ${seconds.toFixed(1)} s (${finalPath}), sha256 ${sent.sha256}.`,
    );
  });
}

export interface ReceiveOptions {
  readonly into: string;
  readonly from: 'contacts' | 'anyone';
  /** End after the first file. */
  readonly once: boolean;
  readonly maxBytes?: number;
}

/** `parley receive`: takes files until Ctrl-C. */
export async function receiveCommand(context: CommandContext, options: ReceiveOptions): Promise<void> {
  await withOnlineClient(context, async (client) => {
    const files: ReceivedFile[] = [];
    const first = new Promise<void>((resolve) => {
      takeSessions(context, client, options, (file) => {
        files.push(file);
        resolve();
      });
    });
    context.output.note(`Waiting for files from ${options.from} into ${options.into} …`);
    await (options.once ? Promise.race([first, untilStopped(context.signal)]) : untilStopped(context.signal));
    const lines = files.map(({ path, bytes, sha256 }) => `${path}  ${formatBytes(bytes)}  sha256 ${sha256}`);
    context.output.result({ files }, lines.length > 0 ? lines.join('\n') : 'No file was received.');
  });
}

function takeSessions(
  context: CommandContext,
  client: EdgeClient,
  options: ReceiveOptions,
  onFile: (file: ReceivedFile) => void,
): void {
  client.sessions.autoAccept = options.from === 'contacts' ? 'contacts' : () => true;
  client.on('session', ({ session, peer }) => {
    void takeFiles(context, session, peer, options, onFile);
  });
  client.on('session-failed', ({ peer, error }) => {
    context.output.note(`A session with ${peer.userId} failed: ${error.message} (${error.code})`);
  });
}

async function takeFiles(
  context: CommandContext,
  session: Session,
  peer: Party,
  { into, maxBytes }: ReceiveOptions,
  onFile: (file: ReceivedFile) => void,
): Promise<void> {
  context.output.note(`Connected with ${peer.userId} (${session.path}).`);
  for await (const stream of session.incomingStreams) {
    const file = await receiveFile(stream, {
      into,
      ...(maxBytes === undefined ? {} : { maxBytes }),
      onProgress: ({ name, bytes, size }) => context.output.progress(formatProgress(name, bytes, size)),
    }).catch((thrown: unknown) => {
      // One bad file ends neither the session nor the wait for the next file.
      context.output.note(`A transfer from ${peer.userId} failed: ${String(thrown)}`);
    });
    if (!file) continue;
    context.output.note(`Received ${file.path}, sha256 ${file.sha256}.`);
    // Our verdict should arrive before we end; a sender that is gone after it needs it no more.
    await stream.finished.catch(() => undefined);
    onFile(file);
  }
}
