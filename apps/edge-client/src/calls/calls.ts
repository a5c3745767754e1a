import {
  glareWinner,
  type CallMedia,
  type CallRecord,
  type EventOf,
  type SessionId,
  type UserId,
} from '@parley/protocol';
import type { ClientClock } from '../client/client-clock.ts';
import { DropCounter } from '../client/drop-counter.ts';
import { TypedEvents } from '../client/typed-events.ts';
import { edgeError } from '../errors.ts';
import type { IncomingSession } from '../rendezvous/incoming-session.ts';
import type { PathPolicy } from '../rendezvous/outgoing-session.ts';
import type { Sessions, SessionTarget } from '../rendezvous/sessions.ts';
import type { Signalling } from '../signalling/signalling.ts';
import type { OpusCodec } from '../voice/opus-codec.ts';
import type { CallContext, CallDropReason } from './call-context.ts';
import { CallEndings } from './call-endings.ts';
import { CallHistory, type CallHistoryOptions } from './call-history.ts';
import { CallVoice, type CallVoiceOptions } from './call-voice.ts';
import type { Call, IncomingCall, OutgoingCall } from './call.ts';
import { eventStream } from './event-stream.ts';
import { IncomingLeg } from './incoming-leg.ts';
import { OutgoingLeg } from './outgoing-leg.ts';

/** Options of {@link Calls.call}. */
export interface CallOptions extends CallVoiceOptions {
  /** Node speaks voice. @default ['audio'] */
  readonly media?: readonly CallMedia[];
  /** How long the callee's devices ring, in milliseconds; up to two minutes. @default 45 000 */
  readonly ringMs?: number;
  /** @default 'any' */
  readonly policy?: PathPolicy;
}

interface CallsEvents {
  /** A call rings here. While nobody listens, this device does not ring. */
  readonly incoming: IncomingCall;
  /** The supernode wrote a call into the history, or changed what it wrote. */
  readonly recorded: { readonly record: CallRecord };
}

/** When the supernode could not be told that this device rings. */
const RING_RETRY_MS = 1000;

/** When a client has caught up with what happened while it was away. */
export interface CatchUp {
  readonly hasCaughtUp: boolean;
  onCaughtUp(listener: () => void): () => void;
  /** Called when the supernode may have forgotten what this client had under way, as after its restart. */
  onSignedInAnew(listener: () => void): () => void;
  /** Called when the connection was taken up again and events were lost. */
  onEventsLost(listener: () => void): () => void;
}

export interface CallsOptions {
  readonly signalling: Signalling & CatchUp;
  readonly sessions: Sessions;
  readonly clock: ClientClock;
  readonly codec: OpusCodec;
  /** Milliseconds since the epoch by the supernode's clock. */
  readonly serverNow: () => number;
}

/** Calls of this device: makes them, rings for those of contacts, and shows the history that all devices share. */
export class Calls {
  /** Declines what comes during a call as busy; the user's other devices ring on. */
  isAutoBusy = true;
  readonly #options: CallsOptions;
  readonly #context: CallContext;
  readonly #history: CallHistory;
  readonly #drops = new DropCounter<CallDropReason>();
  readonly #events = new TypedEvents<CallsEvents>();
  readonly #legs = new Map<SessionId, OutgoingLeg | IncomingLeg>();
  /** Offers that came before this client had caught up: their end may be on its way too. */
  readonly #waiting = new Set<IncomingLeg>();
  #retry: NodeJS.Timeout | undefined;

  constructor(options: CallsOptions) {
    const { signalling, sessions, clock, codec } = options;
    this.#options = options;
    const endings = new CallEndings(signalling, this.#drops);
    this.#context = { signalling, sessions, endings, clock, codec, drops: this.#drops };
    this.#history = new CallHistory(signalling, options.serverNow, (record) =>
      this.#events.emit('recorded', { record }),
    );
    sessions.on('call', (incoming) => this.#offered(incoming));
    signalling.onEvent('session.ended', (event) => this.#endedByServer(event));
    signalling.onSignedInAnew(() => {
      for (const leg of this.#legs.values()) void leg.forgotten();
    });
    signalling.onEventsLost(() => {
      // The supernode still has the calls; what rings here may be over, and asking for it tells.
      for (const leg of this.#legs.values()) if (leg instanceof IncomingLeg) void leg.forgotten();
    });
    signalling.onCaughtUp(() => {
      this.#ringWaiting();
      void endings.flush();
    });
  }

  /** Calls that are not over, as far as the app knows of them. */
  get active(): readonly Call[] {
    return [...this.#legs.values()].filter((leg) => leg.direction === 'outgoing' || leg.state !== 'proposed');
  }

  on<Name extends keyof CallsEvents>(name: Name, listener: (event: CallsEvents[Name]) => void): () => void {
    if (name === 'incoming') this.#expectCalls();
    return this.#events.on(name, listener);
  }

  /** Calls that ring here, from now on. */
  incoming(): AsyncIterableIterator<IncomingCall, undefined> {
    this.#expectCalls();
    return eventStream(this.#events, 'incoming');
  }

  /**
   * Calls a user, on all devices, or one device. Calling who rings here already is to accept.
   *
   * @throws EDGE_OPTIONS_INVALID
   */
  call(target: SessionTarget, options: CallOptions = {}): OutgoingCall {
    const { media = ['audio'], policy = 'any', ringMs = 45_000 } = options;
    if (media.length === 0) throw edgeError('EDGE_OPTIONS_INVALID', { message: 'A call needs media.' });
    const voice = this.#newVoice(options);
    const leg = new OutgoingLeg(this.#context, target, { media, policy, ringMs, voice });
    this.#keep(leg);
    const ringing = [...this.#legs.values()].find((other) => rings(other, leg.peer.userId));
    if (ringing instanceof IncomingLeg) this.#yield(leg, ringing);
    else void leg.propose();
    return leg;
  }

  /** The user's calls, newest first. @throws EDGE_NOT_CONNECTED */
  history(options: CallHistoryOptions = {}): Promise<readonly CallRecord[]> {
    return this.#history.list(options);
  }

  drops(): Readonly<Partial<Record<CallDropReason, number>>> {
    return this.#drops.snapshot();
  }

  /** @internal Hangs up what this client takes part in; what only rings goes on ringing elsewhere. */
  async close(): Promise<void> {
    clearTimeout(this.#retry);
    this.#waiting.clear();
    const taken = [...this.#legs.values()].filter((leg) => leg instanceof OutgoingLeg || leg.isTaken);
    await Promise.all(taken.map((leg) => leg.hangUp()));
  }

  /** Who answers at once would wait for the codec. One that fails to load fails again, and is reported, when a call is active. */
  #expectCalls(): void {
    this.#newVoice({})
      .prepare()
      .catch(() => undefined);
  }

  #offered(incoming: IncomingSession): void {
    if (this.#legs.has(incoming.sessionId)) {
      this.#drops.count('id-in-use');
      return;
    }
    const leg = new IncomingLeg(this.#context, incoming, this.#newVoice({}));
    this.#keep(leg);
    this.#waiting.add(leg);
    this.#ringWaiting();
  }

  #keep(leg: OutgoingLeg | IncomingLeg): void {
    this.#legs.set(leg.id, leg);
    void leg.ended.then(() => this.#legs.delete(leg.id));
  }

  #newVoice(options: CallVoiceOptions): CallVoice {
    const { codec, clock } = this.#options;
    const { sampleRate, bitrateBps } = options;
    return new CallVoice(codec, clock, {
      ...(sampleRate === undefined ? {} : { sampleRate }),
      ...(bitrateBps === undefined ? {} : { bitrateBps }),
    });
  }

  #ringWaiting(): void {
    if (!this.#options.signalling.hasCaughtUp) return;
    for (const leg of [...this.#waiting]) {
      this.#waiting.delete(leg);
      void this.#take(leg);
    }
  }

  /** Decides about an offer that still stands. */
  async #take(leg: IncomingLeg): Promise<void> {
    if (leg.state === 'ended') {
      this.#drops.count('over-before-ringing');
      return;
    }
    const own = [...this.#legs.values()].find((other) => crosses(other, leg));
    if (own instanceof OutgoingLeg) {
      // The peer judges alike: it takes this one back, or waits for our answer.
      if (glareWinner(own.id, leg.id) === own.id) this.#drops.count('glare-lost-by-peer');
      else this.#yield(own, leg);
    } else if (this.isAutoBusy && this.#isBusy()) await leg.decline();
    else if (this.#events.has('incoming')) await this.#ring(leg);
    else this.#drops.count('nobody-listens');
  }

  async #ring(leg: IncomingLeg): Promise<void> {
    const result = await leg.ring();
    if (result === 'rings') this.#events.emit('incoming', leg);
    else if (result === 'later') this.#ringLater(leg);
    else this.#drops.count('over-before-ringing');
  }

  #ringLater(leg: IncomingLeg): void {
    this.#waiting.add(leg);
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined;
      this.#ringWaiting();
    }, RING_RETRY_MS);
  }

  #yield(own: OutgoingLeg, winner: IncomingLeg): void {
    winner.takeOver(own.voice);
    own.yieldTo(winner);
    // Whoever waits for the call hears of a failure.
    winner.accept().catch(() => undefined);
  }

  #isBusy(): boolean {
    return [...this.#legs.values()].some((leg) => leg instanceof OutgoingLeg || leg.isTaken);
  }

  #endedByServer({ sessionId, reason }: EventOf<'session.ended'>): void {
    this.#legs.get(sessionId)?.endedByServer(reason);
  }
}

function rings(leg: OutgoingLeg | IncomingLeg, userId: UserId): boolean {
  return leg instanceof IncomingLeg && leg.peer.userId === userId && leg.state === 'ringing' && !leg.isTaken;
}

/** Whether the peer calls us while we call the peer. */
function crosses(own: OutgoingLeg | IncomingLeg, theirs: IncomingLeg): boolean {
  return own instanceof OutgoingLeg && own.isOpenTo(theirs.peer.userId);
}
