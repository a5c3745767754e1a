import type { ObservedRoster } from './observed-roster.ts';

/** What happened, as the outside saw it; `at` is in milliseconds of the clock of the machine. */
export type HistoryEvent = { readonly at: number } & (
  | {
      /** The cluster acknowledged a message as committed. */
      readonly kind: 'stored';
      readonly messageId: string;
      readonly to: string;
    }
  | {
      /** The cluster acknowledged what it keeps for a user: a contact, or a call that ended. */
      readonly kind: 'kept';
      readonly userId: string;
      readonly what: string;
      readonly value: string;
    }
  | {
      /** What was kept under that name when it was read again. */
      readonly kind: 'read';
      readonly userId: string;
      readonly what: string;
      readonly value: string;
    }
  | {
      /** The app of a device got a message. */
      readonly kind: 'shown';
      readonly messageId: string;
      readonly userId: string;
      readonly deviceId: string;
    }
  | {
      /** A supernode took a user's client in, or granted what it asked for. */
      readonly kind: 'served';
      readonly userId: string;
      readonly nodeId: string;
    }
  | {
      /** A new roster was in the database. */
      readonly kind: 'roster';
      readonly roster: ObservedRoster;
    }
  | {
      /** What one client showed of another user from then on. */
      readonly kind: 'view';
      readonly watcher: string;
      readonly userId: string;
      readonly state: string;
    }
);

export type EventOfKind<Kind extends HistoryEvent['kind']> = Extract<HistoryEvent, { kind: Kind }>;

/** Everything in the order in which it was recorded. */
export class History {
  readonly #events: HistoryEvent[] = [];
  readonly #now: () => number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  record(event: UntimedEvent): void {
    this.#events.push({ ...event, at: this.#now() });
  }

  get events(): readonly HistoryEvent[] {
    return this.#events;
  }

  now(): number {
    return this.#now();
  }
}

type WithoutTime<Event> = Event extends unknown ? Omit<Event, 'at'> : never;
export type UntimedEvent = WithoutTime<HistoryEvent>;

export function eventsOf<Kind extends HistoryEvent['kind']>(
  events: readonly HistoryEvent[],
  kind: Kind,
): readonly EventOfKind<Kind>[] {
  return events.filter((event): event is EventOfKind<Kind> => event.kind === kind);
}
