import type { Call, CallEnd, EdgeClient, IncomingCall } from '../index.ts';
import { CallSound, type SoundOptions } from './call-sound.ts';
import { findUser, untilStopped, withOnlineClient, type CommandContext } from './command-context.ts';
import { EXIT } from './exit-code.ts';

export interface CallCommandOptions extends SoundOptions {
  /** Hang up after this long a talk. */
  readonly seconds?: number;
}

/** What became of a call. */
interface CallResult extends Omit<CallEnd, 'error' | 'replacedBy'> {
  readonly ok: boolean;
  readonly peer: Call['peer'];
  readonly error: { readonly code: string; readonly message: string } | undefined;
  readonly mos: number | undefined;
  readonly framesPlayed: number;
  readonly framesRecorded: number;
  /** How it travelled last. */
  readonly path: string | undefined;
}

/** From the last word of a file until the other end has heard it. */
const TAIL_MS = 600;

/** `parley call`: talks until the file is said, the time is over, somebody hangs up, or Ctrl-C. */
export async function callCommand(
  context: CommandContext,
  to: string,
  options: CallCommandOptions & { readonly ring?: number },
): Promise<void> {
  const sound = await CallSound.open(options);
  await withOnlineClient(context, async (client) => {
    const { userId, label } = await findUser(client, to);
    context.output.note(`Calling ${label} …`);
    const call = client.calls.call(userId, {
      sampleRate: sound.sampleRate,
      ...(options.ring === undefined ? {} : { ringMs: options.ring * 1000 }),
    });
    let devices = 0;
    call.on('ringing', () => {
      devices += 1;
      context.output.note(`Ringing on ${String(devices)} device${devices === 1 ? '' : 's'}.`);
    });
    const isDone = async (signal: AbortSignal): Promise<void> => {
      if (options.seconds !== undefined) await untilStopped(signal, options.seconds);
      else await sound.played.then(() => untilStopped(signal, TAIL_MS / 1000));
    };
    const result = await talk(context, call, sound, isDone);
    context.output.result(result, describe(result));
    if (!result.ok) process.exitCode = EXIT.failed;
  });
}

/** `parley answer`: takes the calls of contacts until Ctrl-C. */
export async function answerCommand(
  context: CommandContext,
  options: CallCommandOptions & { readonly once: boolean },
): Promise<void> {
  await CallSound.open(options); // a file that can't be said is found before anybody calls
  await withOnlineClient(context, async (client) => {
    const results: CallResult[] = [];
    const calls = client.calls.incoming();
    const stop = (): void => void calls.return?.();
    context.signal.addEventListener('abort', stop);
    if (context.signal.aborted) stop();
    context.output.note('Waiting for calls …');
    for await (const call of calls) {
      results.push(await answer(context, client, call, options, results.length));
      if (options.once) break;
    }
    const text = results.length === 0 ? 'Nobody called.' : results.map(describe).join('\n');
    const [first] = results;
    context.output.result(options.once && first ? first : { calls: results }, text);
  });
}

async function answer(
  context: CommandContext,
  client: EdgeClient,
  call: IncomingCall,
  options: CallCommandOptions,
  turn: number,
): Promise<CallResult> {
  const { handle } = client.contacts.get(call.peer.userId) ?? {};
  context.output.note(`${handle ?? call.peer.userId} calls.`);
  const sound = await CallSound.open(options, turn);
  const { seconds } = options;
  const talking = talk(context, call, sound, (signal) => untilStopped(signal, seconds));
  call.accept({ sampleRate: sound.sampleRate }).catch(() => undefined); // the call's end says why
  return talking;
}

/** Waits for the end of a call. `isDone` resolves when this end has no more to say. */
async function talk(
  context: CommandContext,
  call: Call,
  sound: CallSound,
  isDone: (signal: AbortSignal) => Promise<void>,
): Promise<CallResult> {
  const over = new AbortController();
  const hangUp = (): void => void call.hangUp();
  context.signal.addEventListener('abort', hangUp);
  if (context.signal.aborted) hangUp();
  sound.attach(call);
  call.on('state', ({ to, cause }) => context.output.note(`Call: ${to} (${cause}).`));
  call.connected.then(
    () => isDone(over.signal).then(hangUp),
    () => undefined, // the call's end says why
  );
  const end = await call.ended;
  // Both called each other at once: what was to be said is said in the call that goes on.
  const last = end.replacedBy ? await end.replacedBy.ended : end;
  over.abort();
  context.signal.removeEventListener('abort', hangUp);
  await sound.save();
  return resultOf(end.replacedBy ?? call, last);
}

function resultOf(call: Call, end: CallEnd): CallResult {
  const { error, replacedBy: _, ...rest } = end;
  const { framesPlayed, framesRecorded } = call.voice;
  return {
    ok: end.outcome === 'completed',
    ...rest,
    peer: call.peer,
    error: error && { code: error.code, message: error.message },
    mos: end.voice?.mos,
    framesPlayed,
    framesRecorded,
    path: call.session?.pathHistory.findLast(({ path }) => path !== 'none')?.path,
  };
}

function describe({ outcome, cause, durationMs, mos }: CallResult): string {
  const quality = mos === undefined ? '' : `, MOS ${mos.toFixed(2)}`;
  const seconds = (durationMs / 1000).toFixed(1);
  return `Call ${outcome ?? cause}${durationMs > 0 ? `, ${seconds} s of talk` : ''}${quality}.`;
}
