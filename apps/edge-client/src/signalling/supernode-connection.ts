import { instant } from '@parley/nat';
import {
  LIMITS,
  type ClientRequestName,
  type EventOf,
  type RequestInputOf,
  type ResponseOf,
  type ServerEventName,
} from '@parley/protocol';
import type { ClientClock } from '../client/client-clock.ts';
import { DropCounter } from '../client/drop-counter.ts';
import { TypedEvents } from '../client/typed-events.ts';
import { asEdgeError, edgeError, EdgeClientError, type ErrorCode } from '../errors.ts';
import {
  ConnectionCore,
  LONGEST_ATTEMPT_MS,
  type ConnectionCoreOptions,
  type ConnectionInput,
  type ConnectionOutput,
  type RetryHints,
} from './connection-core.ts';
import type { ConnectionChange, ConnectionState } from './connection-state.ts';
import { EventSequence } from './event-sequence.ts';
import type { HomesHint } from './host-list.ts';
import { SignallingChannel, type ChannelOptions, type ServerDropReason } from './signalling-channel.ts';
import type { RequestOptions, SendRequest, Signalling } from './signalling.ts';

type ServerEvents = { [Name in ServerEventName]: EventOf<Name> };

interface ConnectionEvents {
  readonly change: ConnectionChange & { readonly error?: EdgeClientError };
  /** Numbered events are missing: whoever keeps state reads it anew. */
  readonly gap: undefined;
  /** Online, and all events that were replayed have been told. */
  readonly 'caught-up': undefined;
}

export interface SupernodeConnectionOptions extends ConnectionCoreOptions {
  readonly clock: ClientClock;
  readonly requestTimeoutMs: number;
  readonly tls?: Pick<ChannelOptions, 'ca'>;
  /** Proves the device on a fresh channel and brings the client's state up to date. */
  readonly signIn: (request: SendRequest, sequence: EventSequence) => Promise<SignedIn>;
}

export interface SignedIn {
  readonly resumed: boolean;
  /** Of a resume: no event was lost. */
  readonly recovered: boolean;
  /** Number of the newest event that is replayed now. */
  readonly newestSequence: number;
}

/** Of a request on a connection that works: several retransmissions of TCP. */
const VERIFY_TIMEOUT_MS = 2000;
/** Events that wait for the answer to a resume; a supernode sends none before it. */
const MAX_WAITING_EVENTS = LIMITS.maxResumeEvents;

/** What a supernode says or does that another one need not: an address of the cache may belong to somebody else by now. */
const HOSTS_FAULTS: ReadonlySet<ErrorCode> = new Set([
  'EDGE_CLUSTER_MISMATCH',
  'EDGE_PROTOCOL_VIOLATION',
  'UNSUPPORTED_VERSION',
]);

/** Performs what {@link ConnectionCore} decides: owns the channel and one timer, and passes validated events on. */
export class SupernodeConnection implements Signalling {
  readonly #options: SupernodeConnectionOptions;
  readonly #core: ConnectionCore;
  readonly #events = new TypedEvents<ServerEvents>();
  readonly #changes = new TypedEvents<ConnectionEvents>();
  readonly #drops = new DropCounter<ServerDropReason>();
  readonly #sequence = new EventSequence(() => this.#receiveWaiting());
  /** Numbered events that came before it was known where the numbers go on. */
  readonly #waiting: (() => void)[] = [];
  #channel: SignallingChannel | undefined;
  #timer: NodeJS.Timeout | undefined;
  #lastError: EdgeClientError | undefined;
  #newestSequence = 0;
  /** The channel that {@link verify} waits for. */
  #verified: SignallingChannel | undefined;

  constructor(options: SupernodeConnectionOptions) {
    this.#options = options;
    this.#core = new ConnectionCore(options);
  }

  get state(): ConnectionState {
    return this.#core.state;
  }

  /** The supernode of this connection, or of the attempt under way. */
  get url(): string | undefined {
    return this.#core.url;
  }

  get isOnline(): boolean {
    return this.state === 'online';
  }

  /** Online, and nothing that happened while we were away is still on its way. */
  get hasCaughtUp(): boolean {
    return !this.#isBehind();
  }

  onCaughtUp(listener: () => void): () => void {
    return this.#changes.on('caught-up', listener);
  }

  /** Online without a resume: the supernode may know nothing any more of what this client had under way. */
  onSignedInAnew(listener: () => void): () => void {
    return this.onChange(({ to, cause }) => {
      if (to === 'online' && cause === 'signed-in') listener();
    });
  }

  /** Resumed, but events were lost. Contacts, presence and resources are up to date again when this is told. */
  onEventsLost(listener: () => void): () => void {
    return this.onChange(({ to, recovered }) => {
      if (to === 'online' && recovered === false) listener();
    });
  }

  /** Where to look for the user's home from now on. */
  useHomes(homes: HomesHint): void {
    this.#feed({ kind: 'homes', ...homes });
  }

  drops(): Readonly<Partial<Record<ServerDropReason, number>>> {
    return this.#drops.snapshot();
  }

  onChange(listener: (change: ConnectionEvents['change']) => void): () => void {
    return this.#changes.on('change', listener);
  }

  onGap(listener: () => void): () => void {
    return this.#changes.on('gap', listener);
  }

  onEvent<Name extends ServerEventName>(name: Name, listener: (event: EventOf<Name>) => void): () => void {
    return this.#events.on(name, listener);
  }

  /** Resolves when online. @throws what refused the sign-in, EDGE_CONNECT_TIMEOUT, EDGE_CLIENT_CLOSED */
  connect(): Promise<void> {
    if (this.state === 'online') return Promise.resolve();
    if (this.state === 'closed') return Promise.reject(edgeError('EDGE_CLIENT_CLOSED'));
    const online = new Promise<void>((resolve, reject) => {
      const off = this.onChange(({ to, error }) => {
        if (to === 'online') resolve();
        else if (to === 'disconnected') reject(error ?? edgeError('EDGE_CONNECT_TIMEOUT'));
        else if (to === 'closed') reject(edgeError('EDGE_CLIENT_CLOSED'));
        else return;
        off();
      });
    });
    this.#feed({ kind: 'connect' });
    return online;
  }

  disconnect(): void {
    this.#feed({ kind: 'disconnect' });
  }

  close(): void {
    this.#feed({ kind: 'close' });
    this.#events.clear();
  }

  /** Drops the connection and makes a new one, as if it had been lost: state can't be trusted any more. */
  recycle(): void {
    if (this.state !== 'online') return;
    this.#feed({ kind: 'transport-lost' });
    this.#drop();
  }

  /**
   * The network may be another one now: a connection that answers nothing soon is made anew. By itself TCP notices nothing for
   * minutes, and the heartbeat takes 45 seconds.
   */
  verify(): void {
    const channel = this.#channel;
    if (this.state !== 'online' || !channel || this.#verified === channel) return;
    this.#verified = channel;
    const isAnswered = channel.request('relay.renew', {}, { timeoutMs: VERIFY_TIMEOUT_MS }).then(
      () => true,
      (thrown: unknown) => !(thrown instanceof EdgeClientError && thrown.code === 'EDGE_REQUEST_TIMEOUT'),
    );
    void isAnswered.then((isAlive) => {
      this.#verified = undefined;
      if (!isAlive) this.#ifCurrent(channel, () => this.recycle());
    });
  }

  readonly request: SendRequest = <Name extends ClientRequestName>(
    name: Name,
    payload: RequestInputOf<Name>,
    options?: RequestOptions,
  ): Promise<ResponseOf<Name>> => {
    if (this.state === 'closed') return Promise.reject(edgeError('EDGE_CLIENT_CLOSED'));
    const channel = this.#channel;
    if (this.state !== 'online' || !channel) return Promise.reject(edgeError('EDGE_NOT_CONNECTED'));
    return channel.request(name, payload, options).catch((thrown: unknown) => {
      this.#ifCurrent(channel, () => this.#judgeRefusal(asEdgeError(thrown, 'EDGE_PROTOCOL_VIOLATION')));
      throw thrown;
    });
  };

  /** What an answer tells of the connection itself. */
  #judgeRefusal(error: EdgeClientError): void {
    if (error.code === 'NOT_HOME') this.#feed({ kind: 'not-home', ...hintsOf(error) });
    // A supernode that was stopped keeps its connections, and its heartbeat would tell much later.
    else if (error.code === 'EDGE_REQUEST_TIMEOUT') this.verify();
  }

  #isBehind(): boolean {
    return !this.isOnline || this.#sequence.last < this.#newestSequence;
  }

  #feed(input: ConnectionInput): void {
    this.#perform(this.#core.handle(input, instant(this.#options.clock.monotonic())));
  }

  #perform(outputs: readonly ConnectionOutput[]): void {
    for (const output of outputs) {
      if (output.kind === 'open-transport') this.#open(output.url);
      else if (output.kind === 'close-transport') this.#drop();
      else if (output.kind === 'sign-in') this.#signIn();
      else this.#tell(output.change);
    }
    this.#arm();
  }

  #tell(change: ConnectionChange): void {
    if (change.cause === 'transport-timeout') this.#lastError = edgeError('EDGE_CONNECT_TIMEOUT');
    if (change.cause === 'revoked') this.#lastError = edgeError('EDGE_REVOKED');
    if (change.cause === 'replaced') this.#lastError = edgeError('EDGE_REPLACED');
    const error = change.to === 'online' ? undefined : this.#lastError;
    if (change.to === 'online') this.#lastError = undefined;
    this.#changes.emit('change', error ? { ...change, error } : change);
    if (change.to === 'online' && this.hasCaughtUp) this.#changes.emit('caught-up', undefined);
  }

  #open(url: string): void {
    this.#waiting.length = 0;
    const channel: SignallingChannel = new SignallingChannel(
      url,
      {
        connectTimeoutMs: LONGEST_ATTEMPT_MS,
        requestTimeoutMs: this.#options.requestTimeoutMs,
        ...this.#options.tls,
      },
      {
        open: () => this.#ifCurrent(channel, () => this.#feed({ kind: 'transport-open' })),
        failed: (error) =>
          this.#ifCurrent(channel, () => {
            this.#lastError = error;
            this.#feed({ kind: 'transport-failed' });
          }),
        lost: () =>
          this.#ifCurrent(channel, () => {
            this.#lastError = edgeError('EDGE_CONNECTION_LOST');
            this.#feed({ kind: 'transport-lost' });
          }),
        event: (name, event, sequence) => {
          if (this.#channel === channel) this.#receive(name, event, sequence);
          else this.#drops.count('late-event');
        },
        drop: (reason) => this.#drops.count(reason),
      },
    );
    this.#channel = channel;
  }

  #drop(): void {
    const channel = this.#channel;
    this.#channel = undefined;
    channel?.close();
  }

  #ifCurrent(channel: SignallingChannel, action: () => void): void {
    if (this.#channel === channel) action();
  }

  #signIn(): void {
    const channel = this.#channel;
    if (!channel) return;
    this.#options.signIn(channel.request, this.#sequence).then(
      ({ resumed, recovered, newestSequence }) =>
        this.#ifCurrent(channel, () => {
          this.#newestSequence = newestSequence;
          this.#feed({ kind: 'signed-in', resumed, recovered });
        }),
      (thrown: unknown) =>
        this.#ifCurrent(channel, () => {
          const error = asEdgeError(thrown, 'EDGE_PROTOCOL_VIOLATION');
          this.#lastError = error;
          if (error.code === 'NOT_HOME') this.#feed({ kind: 'not-home', ...hintsOf(error) });
          else {
            const isHostsFault = HOSTS_FAULTS.has(error.code);
            const { retryable } = error;
            this.#feed({ kind: 'sign-in-failed', retryable, isHostsFault, ...hintsOf(error) });
          }
        }),
    );
  }

  #receive<Name extends ServerEventName>(name: Name, event: EventOf<Name>, sequence: number): void {
    if (sequence > 0 && this.#sequence.isOpen) {
      if (this.#waiting.length < MAX_WAITING_EVENTS)
        this.#waiting.push(() => this.#receive(name, event, sequence));
      else this.#drops.count('early-event');
      return;
    }
    const wasBehind = this.#isBehind();
    const verdict = this.#sequence.judge(sequence);
    if (verdict === 'duplicate') {
      this.#drops.count('duplicate-event');
      return;
    }
    if (name === 'go-away') this.#feed({ kind: 'go-away', notice: event as EventOf<'go-away'> });
    this.#events.emit(name, event as ServerEvents[Name]);
    if (verdict === 'gap') this.#changes.emit('gap', undefined);
    if (wasBehind && !this.#isBehind()) this.#changes.emit('caught-up', undefined);
  }

  #receiveWaiting(): void {
    for (const receive of this.#waiting.splice(0)) receive();
  }

  /** Exactly one timer, for the core's next deadline. */
  #arm(): void {
    clearTimeout(this.#timer);
    const at = this.#core.nextTimeoutAt();
    if (at === undefined) return;
    this.#timer = setTimeout(
      () => {
        const now = instant(this.#options.clock.monotonic());
        // A connect that runs out of time has no better error than the last failure.
        this.#perform(this.#core.handleTimeout(now));
      },
      Math.max(0, at - this.#options.clock.monotonic()),
    );
  }
}

function hintsOf({ retryAfterMs, windowMs, alternates }: EdgeClientError): RetryHints {
  return { retryAfterMs, windowMs, alternates };
}
