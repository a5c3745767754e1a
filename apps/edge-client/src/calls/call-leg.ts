import {
  callOutcome,
  callTransition,
  causeOfSessionEnd,
  type CallCause,
  type CallDirection,
  type CallEndCause,
  type CallMedia,
  type CallState,
  type EventOf,
  type SessionId,
} from '@parley/protocol';
import { TypedEvents } from '../client/typed-events.ts';
import { asEdgeError, edgeError, type EdgeClientError } from '../errors.ts';
import { deferred } from '../session/deferred.ts';
import type { Session, SessionClosure } from '../session/session.ts';
import type { CallContext } from './call-context.ts';
import type { CallVoice, PcmListener } from './call-voice.ts';
import type { Call, CallChange, CallEnd, CallEvents } from './call.ts';
import { eventStream } from './event-stream.ts';

/** The close code of a session whose call one side hung up: the other side need not wait for the supernode's word. */
export const HUNG_UP_CODE = 272;
/** The supernode thinks that the peer is gone; who was heard within this time is not. */
const HEARD_MS = 5000;
/** For the other side's word, by way of the supernode, that it hung up before anything connected. */
const VERDICT_MS = 1000;

export interface LegOptions {
  readonly id: SessionId;
  readonly direction: CallDirection;
  readonly media: readonly CallMedia[];
  readonly voice: CallVoice;
}

/** What both sides of a call have in common: the state table, the session that carries it, its voice and its end. */
export abstract class CallLeg implements Call {
  readonly id: SessionId;
  readonly direction: CallDirection;
  readonly media: readonly CallMedia[];
  abstract readonly peer: Call['peer'];
  readonly connected: Promise<Call>;
  readonly ended: Promise<CallEnd>;
  protected readonly context: CallContext;
  protected readonly events = new TypedEvents<CallEvents>();
  readonly #connecting = deferred<Call>();
  readonly #ending = deferred<CallEnd>();
  readonly #startedAt: number;
  /** By state, when it was first entered. */
  readonly #reachedMs = new Map<CallState, number>();
  #voice: CallVoice;
  #state: CallState = 'proposed';
  #session: Session | undefined;

  constructor(context: CallContext, options: LegOptions) {
    this.context = context;
    this.id = options.id;
    this.direction = options.direction;
    this.media = options.media;
    this.#voice = options.voice;
    this.connected = this.#connecting.promise;
    this.ended = this.#ending.promise;
    this.#startedAt = context.clock.monotonic();
  }

  get state(): CallState {
    return this.#state;
  }

  get voice(): CallVoice {
    return this.#voice;
  }

  get session(): Session | undefined {
    return this.#session;
  }

  on<Name extends keyof CallEvents>(name: Name, listener: (event: CallEvents[Name]) => void): () => void {
    return this.events.on(name, listener);
  }

  states(): AsyncIterableIterator<CallChange, undefined> {
    const changes = eventStream(this.events, 'state', ({ to }) => to === 'ended');
    if (this.#state === 'ended') void changes.return?.();
    return changes;
  }

  playPcm(pcm: Int16Array | AsyncIterable<Int16Array>): Promise<void> {
    return this.voice.play(pcm);
  }

  recordPcm(listener: PcmListener): () => void {
    return this.voice.record(listener);
  }

  abstract hangUp(): Promise<void>;

  /** The supernode says that the call is over. */
  endedByServer(reason: EventOf<'session.ended'>['reason']): void {
    const cause = causeOfSessionEnd(reason, this.#state);
    if (cause === 'lost' && this.#state === 'active' && this.voice.wasHeardWithin(HEARD_MS)) {
      this.context.drops.count('lost-though-heard');
      return;
    }
    const isOver = this.#state === 'ended' || this.apply(cause);
    if (!isOver) this.context.drops.count('impossible-end');
  }

  /** The supernode may know nothing of an unanswered call any more: then nobody can answer it. Answered ones need no supernode. */
  abstract forgotten(): Promise<void> | void;

  /** Whether the state table allowed it. */
  protected apply(cause: CallCause, error?: EdgeClientError): boolean {
    const change = callTransition(this.#state, cause);
    if (!change) return false;
    const atMs = this.#elapsedMs();
    this.#state = change.to;
    this.#reachedMs.set(change.to, atMs);
    this.events.emit('state', { ...change, atMs });
    if (change.to === 'ended') this.#finish(cause as CallEndCause, error);
    return true;
  }

  /** Lets go of what carries a call that never became active. */
  protected abstract release(cause: CallEndCause): void;

  /** The voice of a call that this one goes on for. */
  protected adopt(voice: CallVoice): void {
    this.#voice = voice;
  }

  /** A call that goes on instead of this one. */
  protected get replacement(): Call | undefined {
    return undefined;
  }

  /** The session stands: media may flow. */
  protected carry(session: Session): void {
    if (!this.apply('connect')) {
      void session.close({ code: HUNG_UP_CODE });
      return;
    }
    this.#session = session;
    void session.closed.then((closure) => this.#sessionClosed(closure));
    this.#connecting.resolve(this);
    if (!this.media.includes('audio')) return;
    this.voice
      .start(session, (thrown) => this.#voiceFailed(thrown))
      .catch((thrown: unknown) => this.#voiceFailed(thrown));
  }

  /** Nothing connected. Unless the other side says in a moment that it hung up meanwhile, the call has failed. */
  protected failAccepted(error: EdgeClientError): void {
    const timer = setTimeout(() => {
      if (this.apply('failed', error)) void this.context.endings.tell(this.id, 'failed');
    }, VERDICT_MS);
    void this.ended.then(() => clearTimeout(timer));
  }

  /** Ends an answered call on purpose. */
  protected async endAnswered(): Promise<void> {
    if (this.apply('hang-up')) await this.context.endings.tell(this.id, 'hung-up');
  }

  #sessionClosed({ by, code, error }: SessionClosure): void {
    if (this.#state === 'ended') return;
    if (by === 'peer' && code === HUNG_UP_CODE) this.apply('hang-up');
    else if (by === 'local') void this.endAnswered();
    else if (this.apply('lost', error)) void this.context.endings.tell(this.id, 'lost');
  }

  #voiceFailed(thrown: unknown): void {
    const error = asEdgeError(thrown, 'EDGE_VOICE_FAILED');
    if (this.apply('failed', error)) void this.context.endings.tell(this.id, 'failed');
  }

  #elapsedMs(): number {
    return Math.round(this.context.clock.monotonic() - this.#startedAt);
  }

  #finish(cause: CallEndCause, error: EdgeClientError | undefined): void {
    const replacedBy = this.replacement;
    const connectedMs = this.#reachedMs.get('active');
    const end: CallEnd = {
      cause,
      outcome: callOutcome(cause, this.direction),
      error,
      replacedBy,
      rangMs: this.#reachedMs.get('ringing'),
      answeredMs: this.#reachedMs.get('accepted'),
      connectedMs,
      durationMs: connectedMs === undefined ? 0 : this.#elapsedMs() - connectedMs,
      voice: this.voice.statistics(),
    };
    if (replacedBy) {
      replacedBy.connected.then(
        (call) => this.#connecting.resolve(call),
        (thrown: unknown) => this.#connecting.reject(asEdgeError(thrown, 'EDGE_CALL_OVER')),
      );
    } else {
      this.voice.stop();
      this.#connecting.reject(error ?? endError(cause));
    }
    if (this.#session) void this.#session.close({ code: HUNG_UP_CODE, reason: cause });
    else this.release(cause);
    this.#ending.resolve(end);
  }
}

/** What those hear who wait for the call to connect. */
function endError(cause: CallEndCause): EdgeClientError {
  switch (cause) {
    case 'reject':
      return edgeError('EDGE_PEER_REJECTED');
    case 'busy':
      return edgeError('EDGE_PEER_BUSY');
    case 'expire':
    case 'unavailable':
      return edgeError('EDGE_PEER_NO_ANSWER');
    case 'answered-elsewhere':
      return edgeError('EDGE_ANSWERED_ELSEWHERE');
    case 'failed':
      return edgeError('EDGE_PATH_FAILED');
    default:
      return edgeError('EDGE_CALL_OVER');
  }
}
