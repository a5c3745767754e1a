interface Waiter<T> {
  resolve(result: IteratorResult<T, undefined>): void;
}

/** A bounded queue with one consumer. When it is full the oldest item gives way. */
export class AsyncQueue<T> implements AsyncIterable<T> {
  private readonly items: T[] = [];
  private readonly waiters: Waiter<T>[] = [];
  private isEnded = false;
  private readonly capacity: number;

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  /** Adds an item; false when another one was lost for it. */
  push(item: T): boolean {
    if (this.isEnded) return false;
    const waiter = this.waiters.shift();
    if (waiter !== undefined) {
      waiter.resolve({ value: item, done: false });
      return true;
    }
    const isFull = this.items.length >= this.capacity;
    if (isFull) this.items.shift();
    this.items.push(item);
    return !isFull;
  }

  /** No more items; what waits can still be read. */
  end(): void {
    this.isEnded = true;
    for (const waiter of this.waiters.splice(0)) waiter.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): AsyncIterator<T, undefined> {
    return { next: () => this.next() };
  }

  private next(): Promise<IteratorResult<T, undefined>> {
    const item = this.items.shift();
    if (item !== undefined) return Promise.resolve({ value: item, done: false });
    if (this.isEnded) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve) => this.waiters.push({ resolve }));
  }
}
