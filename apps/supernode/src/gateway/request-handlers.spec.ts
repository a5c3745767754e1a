import { describe, expect, it } from '@jest/globals';
import { Subject } from 'rxjs';
import type { EdgeSocket } from './edge-socket.ts';
import { RequestHandlers, type ReceivedRequest } from './request-handlers.ts';

const socket = (id: string): EdgeSocket => Object.assign(Object.create(null) as EdgeSocket, { id });

describe('RequestHandlers', () => {
  it('tells the one handler of an event on which socket a request came', () => {
    const handlers = new RequestHandlers();
    const seen: [unknown, unknown, unknown][] = [];
    handlers.add('challenge', ({ socket: { id }, payload }: ReceivedRequest, acknowledge) => {
      seen.push([id, payload, acknowledge]);
      return Promise.resolve();
    });

    handlers.serve(socket('one'), ['challenge', { versions: [1] }, 'ack']);
    handlers.serve(socket('two'), ['challenge', 'ack']);
    handlers.serve(socket('two'), ['challenge', 1, 2, 'ack']);
    handlers.serve(socket('two'), ['sign-off', {}, 'ack']);

    expect(seen).toEqual([
      ['one', { versions: [1] }, 'ack'],
      ['two', [], 'ack'],
      ['two', [1, 2], 'ack'],
    ]);
    expect([handlers.has('challenge'), handlers.has('sign-off'), handlers.has('toString')]).toEqual([
      true,
      false,
      false,
    ]);
  });

  it('starts what a handler returns', async () => {
    const handlers = new RequestHandlers();
    const result = new Subject();
    handlers.add('challenge', () => Promise.resolve(result));

    handlers.serve(socket('one'), ['challenge', {}, 'ack']);
    await Promise.resolve();

    expect(result.observed).toBe(true);
  });
});
