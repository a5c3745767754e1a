import type { EventOf, ServerEventName } from '@parley/protocol';
import { TypedEvents } from '../client/typed-events.ts';
import { SignallingChannel, type ChannelOptions } from './signalling-channel.ts';
import type { SendRequest } from './signalling.ts';
import { edgeError } from '../errors.ts';

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
