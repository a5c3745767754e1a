import type { DeviceId } from '@parley/protocol';
import { EdgeClientError } from '../errors.ts';
import type { Party } from '../rendezvous/signed-session.ts';
import { deferred, type Deferred } from '../session/deferred.ts';
import type { SessionStream } from '../session/session-stream.ts';
import type { Session } from '../session/session.ts';
import { encodeFrame, FrameDecoder, type ControlFrame } from './control-frames.ts';
import type { IncomingCopy } from './inbox.ts';
import type { SealedCopy } from './message-road.ts';
import type { MessagesContext } from './messages-context.ts';

export interface SessionRoadOptions extends Pick<MessagesContext, 'drops' | 'scheduler'> {
  /** True: kept, so that the sender may forget it. */
  readonly take: (copy: IncomingCopy) => Promise<boolean>;
  /** One more session can carry messages. */
  readonly opened: () => void;
}

/** After this the mailbox gets the copy instead; a late answer does no harm. */
const ANSWER_TIMEOUT_MS = 3000;
/** Copies of one session that wait for the store; beyond it the other end has to use the mailbox. */
const MAX_PENDING_COPIES = 256;

interface Line {
  readonly peer: Party;
  readonly stream: SessionStream;
  readonly answers: Map<number, Deferred<boolean>>;
  nextNumber: number;
  pending: number;
}

/** Carries messages over the control streams of open sessions, beside the streams of the app. */
export class SessionRoad {
  readonly #options: SessionRoadOptions;
  readonly #lines = new Map<DeviceId, Line>();

  constructor(options: SessionRoadOptions) {
    this.#options = options;
  }

  has(deviceId: DeviceId): boolean {
    return this.#lines.has(deviceId);
  }

  /** Uses a session until it ends. Of two sessions with one device the later one carries. */
  add(session: Session, peer: Party): void {
    const { control } = session;
    control.then(
      (stream) => void this.#serve(session, stream, peer),
      () => undefined, // the session ended before
    );
  }

  /** False when it was not taken, or not in time. */
  async send(deviceId: DeviceId, { messageId, envelope }: SealedCopy): Promise<boolean> {
    const line = this.#lines.get(deviceId);
    if (!line) return false;
    const number = line.nextNumber;
    line.nextNumber += 1;
    const answer = deferred<boolean>();
    line.answers.set(number, answer);
    const cancel = this.#options.scheduler.after(ANSWER_TIMEOUT_MS, () => answer.resolve(false));
    write(line.stream, { kind: 'message', number, messageId, envelope }).catch(() => answer.resolve(false));
    try {
      return await answer.promise;
    } finally {
      cancel();
      line.answers.delete(number);
    }
  }

  async #serve(session: Session, stream: SessionStream, peer: Party): Promise<void> {
    const line: Line = { peer, stream, answers: new Map(), nextNumber: 0, pending: 0 };
    try {
      if (session.role === 'caller') await write(stream, { kind: 'hello' });
      this.#lines.set(peer.deviceId, line);
      this.#options.opened();
      await this.#read(line);
    } catch (thrown) {
      // Whatever ended the stream: the mailbox is the other road.
      if (!(thrown instanceof EdgeClientError)) throw thrown;
    } finally {
      if (this.#lines.get(peer.deviceId) === line) this.#lines.delete(peer.deviceId);
      for (const answer of line.answers.values()) answer.resolve(false);
    }
  }

  async #read(line: Line): Promise<void> {
    const decoder = new FrameDecoder();
    for await (const bytes of line.stream) {
      for (const frame of decoder.push(bytes)) {
        if (frame === 'overlong') {
          this.#options.drops.count('frame-malformed');
          line.stream.reset();
          return;
        }
        if (frame === 'malformed') this.#options.drops.count('frame-malformed');
        else if (frame === 'unknown') this.#options.drops.count('frame-unknown');
        else this.#receive(line, frame);
      }
    }
  }

  #receive(line: Line, frame: ControlFrame): void {
    if (frame.kind === 'message') void this.#take(line, frame);
    else if (frame.kind !== 'hello') line.answers.get(frame.number)?.resolve(frame.kind === 'taken');
  }

  async #take(line: Line, frame: Extract<ControlFrame, { kind: 'message' }>): Promise<void> {
    const { number, messageId, envelope } = frame;
    let isTaken = false;
    if (line.pending < MAX_PENDING_COPIES) {
      line.pending += 1;
      try {
        isTaken = await this.#options.take({ from: line.peer, messageId, envelope });
      } catch (thrown) {
        // The store or the sender's device list is out of reach: the mailbox keeps it for later.
        if (!(thrown instanceof EdgeClientError)) throw thrown;
      } finally {
        line.pending -= 1;
      }
    }
    const answer: ControlFrame = { kind: isTaken ? 'taken' : 'refused', number };
    await write(line.stream, answer).catch(() => undefined); // it will come by the mailbox, and be known
  }
}

function write(stream: SessionStream, frame: ControlFrame): Promise<void> {
  return stream.write(encodeFrame(frame));
}
