import { Injectable } from '@nestjs/common';
import { isObservable } from 'rxjs';
import type { EdgeSocket } from './edge-socket.ts';

/** What came, and on which socket: a handler is one for all sockets, and is told at each request. */
export class ReceivedRequest {
  constructor(
    readonly socket: EdgeSocket,
    readonly payload: unknown,
  ) {}
}

/** Nest's handler of an event, behind its interceptor. */
type Handler = (received: ReceivedRequest, acknowledge: unknown) => Promise<unknown>;

/**
 * The handlers of all gateway classes, by event. A listener of every socket for each of some fifty events would cost an idle
 * connection more memory than all else that is kept for it.
 */
@Injectable()
export class RequestHandlers {
  private readonly handlers = new Map<unknown, Handler>();

  add(event: string, handler: Handler): void {
    this.handlers.set(event, handler);
  }

  has(event: string): boolean {
    return this.handlers.has(event);
  }

  /** Starts the handler of a packet `[event, payload, acknowledge]`. It never fails: see RequestPipeline. */
  serve(socket: EdgeSocket, packet: readonly unknown[]): void {
    const handle = this.handlers.get(packet[0]);
    const payload = packet.length === 3 ? packet[1] : packet.slice(1, -1);
    if (handle) void start(handle(new ReceivedRequest(socket, payload), packet.at(-1)));
  }
}

async function start(handled: Promise<unknown>): Promise<void> {
  const result = await handled;
  if (isObservable(result)) result.subscribe();
}
