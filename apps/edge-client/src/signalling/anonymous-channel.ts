import { instant } from '@parley/nat';
import type { EventOf, ServerEventName } from '@parley/protocol';
import type { ClientClock } from '../client/client-clock.ts';
import { TypedEvents } from '../client/typed-events.ts';
import { asEdgeError, edgeError, EdgeClientError } from '../errors.ts';
import { HostList } from './host-list.ts';
import { SignallingChannel, type ChannelOptions } from './signalling-channel.ts';
import type { SendRequest } from './signalling.ts';

type Events = { [Name in ServerEventName]: EventOf<Name> } & { lost: undefined };

/** A connection of a device that has no account yet: to register, to be linked, to recover. */
export interface AnonymousChannel {
  readonly request: SendRequest;
  /** The next event of this name. @throws EDGE_CONNECTION_LOST */
  next<Name extends ServerEventName>(name: Name): Promise<EventOf<Name>>;
  /** Resolves when the connection is over, whoever ended it. */
  readonly closed: Promise<void>;
  close(): void;
}

export interface AnonymousChannelsOptions extends ChannelOptions {
  readonly urls: readonly [string, ...string[]];
  /** How long one host may take while there are others. */
  readonly hostTimeoutMs: number;
  readonly clock: ClientClock;
}

/** Times that one task is sent on to another supernode. */
const MAX_REDIRECTS = 3;

/** Registrations, recoveries and link codes under way, each on a connection of its own to whichever supernode answers. */
export class AnonymousChannels {
  readonly #options: AnonymousChannelsOptions;
  readonly #open = new Set<AnonymousChannel>();
  #isClosed = false;

  constructor(options: AnonymousChannelsOptions) {
    this.#options = options;
  }

  /** @throws EDGE_CONNECT_TIMEOUT, EDGE_CLIENT_CLOSED */
  open(): Promise<AnonymousChannel> {
    return this.#openAny(new HostList(this.#options.urls));
  }

  /** Does something on a connection, and once more elsewhere where a supernode names another one for it. */
  async run<Result>(action: (channel: AnonymousChannel) => Promise<Result>): Promise<Result> {
    const hosts = new HostList(this.#options.urls);
    for (let redirectsLeft = MAX_REDIRECTS; ; redirectsLeft -= 1) {
      const channel = await this.#openAny(hosts);
      try {
        return await action(channel);
      } catch (thrown) {
        if (redirectsLeft === 0 || hosts.advise(elsewhere(thrown)).length === 0) throw thrown;
      } finally {
        channel.close();
      }
    }
  }

  close(): void {
    this.#isClosed = true;
    for (const channel of [...this.#open]) channel.close();
  }

  /** Every host once in a hurry, then once with patience. */
  async #openAny(hosts: HostList): Promise<AnonymousChannel> {
    const { hostTimeoutMs, connectTimeoutMs, clock } = this.#options;
    const round = hosts.rounds;
    let failure = edgeError('EDGE_CONNECT_TIMEOUT');
    for (;;) {
      const url = hosts.next(instant(clock.monotonic()));
      if (hosts.rounds > round + 1) throw failure;
      const isHurried = hosts.hasOthers(url) && hosts.rounds === round;
      const patience = isHurried ? Math.min(hostTimeoutMs, connectTimeoutMs) : connectTimeoutMs;
      try {
        return await this.#openAt(url, patience);
      } catch (thrown) {
        if (this.#isClosed || !hosts.hasOthers(url)) throw thrown;
        failure = asEdgeError(thrown, 'EDGE_CONNECT_TIMEOUT');
      }
    }
  }

  async #openAt(url: string, connectTimeoutMs: number): Promise<AnonymousChannel> {
    this.#requireNotClosed();
    const channel = await openAnonymousChannel(url, { ...this.#options, connectTimeoutMs });
    this.#open.add(channel);
    void channel.closed.then(() => this.#open.delete(channel));
    if (this.#isClosed) channel.close();
    return channel;
  }

  #requireNotClosed(): void {
    if (this.#isClosed) throw edgeError('EDGE_CLIENT_CLOSED');
  }
}

/** The supernodes that a refusal names instead. */
function elsewhere(thrown: unknown): readonly string[] {
  const isRedirect =
    thrown instanceof EdgeClientError && (thrown.code === 'NOT_HOME' || thrown.code === 'SHUTTING_DOWN');
  return isRedirect ? (thrown.alternates ?? []) : [];
}

/** @throws EDGE_CONNECT_TIMEOUT */
export function openAnonymousChannel(url: string, options: ChannelOptions): Promise<AnonymousChannel> {
  const events = new TypedEvents<Events>();
  const closed = new Promise<void>((resolve) => events.on('lost', () => resolve()));
  return new Promise((resolve, reject) => {
    const channel: SignallingChannel = new SignallingChannel(url, options, {
      open: () =>
        resolve({
          request: channel.request,
          next: (name) => nextEvent(events, name),
          closed,
          close: () => {
            channel.close();
            events.emit('lost', undefined);
          },
        }),
      failed: reject,
      lost: () => events.emit('lost', undefined),
      event: (name, event) => events.emit(name, event as Events[typeof name]),
      drop: () => undefined, // short-lived: what is not understood here has no effect at all
    });
  });
}

function nextEvent<Name extends ServerEventName>(
  events: TypedEvents<Events>,
  name: Name,
): Promise<EventOf<Name>> {
  return new Promise((resolve, reject) => {
    const offs = [
      events.on(name, (event) => {
        offs.forEach((off) => off());
        resolve(event as EventOf<Name>);
      }),
      events.on('lost', () => {
        offs.forEach((off) => off());
        reject(edgeError('EDGE_CONNECTION_LOST'));
      }),
    ];
  });
}
