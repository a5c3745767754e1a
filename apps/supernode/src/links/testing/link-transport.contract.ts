import { expect, it } from '@jest/globals';
import { EventEmitter, once } from 'node:events';
import type { LinkTransport } from '../link-transport.port.ts';

/** Collects what one supernode receives. */
class Inbox {
  readonly texts: string[] = [];
  private readonly arrivals = new EventEmitter();

  readonly receive = (text: string): void => {
    this.texts.push(text);
    this.arrivals.emit(text);
  };

  /** Resolves when this text has come. */
  async has(text: string): Promise<void> {
    if (!this.texts.includes(text)) await once(this.arrivals, text, { signal: AbortSignal.timeout(10_000) });
  }
}

/** What every implementation of the port must do. `make` gives as many transports of one network as are asked for. */
export function linkTransportContract(make: (count: number) => Promise<readonly LinkTransport[]>): void {
  async function opened() {
    const [a, b, c] = (await make(3)) as [LinkTransport, LinkTransport, LinkTransport];
    const inboxes = { a: new Inbox(), b: new Inbox(), c: new Inbox() };
    await a.open('a', inboxes.a.receive);
    await b.open('b', inboxes.b.receive);
    await c.open('c', inboxes.c.receive);
    return { a, b, c, inboxes };
  }

  it('brings texts to the supernode that is meant, in order and as they are, and to no other', async () => {
    const { a, c, inboxes } = await opened();
    const texts = Array.from({ length: 100 }, (_, n) => `text ${n} \u0000 \n ${'ü'.repeat(n * 10)}`);

    await Promise.all(texts.map((text) => a.publish('b', text)));
    await c.publish('a', 'to a');
    await inboxes.b.has(texts.at(-1)!);
    await inboxes.a.has('to a');

    expect(inboxes.b.texts).toEqual(texts);
    expect(inboxes.a.texts).toEqual(['to a']);
    expect(inboxes.c.texts).toEqual([]);
  });

  it('brings a supernode what it sends to itself', async () => {
    const { a, inboxes } = await opened();
    await a.publish('a', 'to itself');
    await inboxes.a.has('to itself');
  });

  it('does not mind that nobody is there', async () => {
    const { a, inboxes } = await opened();
    await a.publish('nobody', 'lost');
    await a.publish('b', 'after it');
    await inboxes.b.has('after it');
    expect(inboxes.b.texts).toEqual(['after it']);
  });

  it('brings nothing to one that closed, and again what is sent after it opened anew', async () => {
    const { a, b, inboxes } = await opened();
    await b.close();
    await a.publish('b', 'while it was closed');
    await a.publish('c', 'meanwhile');
    await inboxes.c.has('meanwhile');

    await b.open('b', inboxes.b.receive);
    await a.publish('b', 'opened anew');
    await inboxes.b.has('opened anew');

    expect(inboxes.b.texts).toEqual(['opened anew']);
  });

  it('closes before it was opened', async () => {
    const [transport] = await make(1);
    await expect(transport!.close()).resolves.toBeUndefined();
  });
}
