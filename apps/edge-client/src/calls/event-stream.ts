import type { TypedEvents } from '../client/typed-events.ts';
import { AsyncQueue } from '../session/async-queue.ts';

/** More than a reader falls behind by; beyond it the oldest give way. */
const CAPACITY = 64;

/** One kind of events as an iterable that begins now; leaving the loop takes the listener off. */
export function eventStream<Events, Name extends keyof Events>(
  events: TypedEvents<Events>,
  name: Name,
  isLast: (event: Events[Name]) => boolean = () => false,
): AsyncIterableIterator<Events[Name], undefined> {
  const queue = new AsyncQueue<Events[Name]>(CAPACITY);
  const items = queue[Symbol.asyncIterator]();
  const off = events.on(name, (event) => {
    queue.push(event);
    if (isLast(event)) finish();
  });
  const finish = () => {
    off();
    queue.end();
  };
  return {
    next: () => items.next(),
    return: () => {
      finish();
      return Promise.resolve({ value: undefined, done: true });
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
