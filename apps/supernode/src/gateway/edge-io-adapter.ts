import type { INestApplication } from '@nestjs/common';
import { IoAdapter } from '@nestjs/platform-socket.io';
import type { MessageMappingProperties } from '@nestjs/websockets';
import { LIMITS } from '@parley/protocol';
import { isObservable } from 'rxjs';
import type { Server, ServerOptions, Socket } from 'socket.io';
import { ConnectionAdmission } from './connection-admission.ts';

/** Time that a connection has to join after the WebSocket handshake. */
const JOIN_TIMEOUT_MS = 10_000;

/** How a dead connection is noticed. */
export interface Heartbeat {
  /** @default 25 s */
  readonly intervalMs: number;
  /** @default 20 s */
  readonly timeoutMs: number;
}

/** socket.io as edge clients may use it: WebSocket only, bounded messages, admission before the handshake. */
export class EdgeIoAdapter extends IoAdapter {
  private readonly admission: ConnectionAdmission;

  constructor(
    application: INestApplication,
    private readonly heartbeat: Heartbeat = { intervalMs: 25_000, timeoutMs: 20_000 },
  ) {
    super(application);
    this.admission = application.get(ConnectionAdmission);
  }

  /**
   * One listener per event. The inherited method makes a stream of each event of each socket, which cost a tenth of the time
   * of a message; all that it does for us is to start what the handler returns, as the pipeline answers by itself.
   */
  override bindMessageHandlers(
    socket: Socket,
    handlers: readonly Pick<MessageMappingProperties, 'message' | 'callback'>[],
  ): void {
    for (const { message, callback } of handlers) {
      socket.on(message as string, (...received: unknown[]) => {
        const payload = received.length === 2 ? received[0] : received.slice(0, -1);
        void start(callback(payload, received.at(-1)) as Promise<unknown>);
      });
    }
  }

  override createIOServer(port: number, nestOptions?: Partial<ServerOptions>): Server {
    const options: Partial<ServerOptions> = {
      ...nestOptions,
      transports: ['websocket'],
      allowUpgrades: false,
      serveClient: false,
      perMessageDeflate: false,
      maxHttpBufferSize: LIMITS.maxMessageBytes,
      connectTimeout: JOIN_TIMEOUT_MS,
      pingInterval: this.heartbeat.intervalMs,
      pingTimeout: this.heartbeat.timeoutMs,
      allowRequest: (request, decide) => {
        const admission = this.admission.admit(request);
        decide(admission === 'admitted' ? null : admission, admission === 'admitted');
      },
    };
    return super.createIOServer(port, options as ServerOptions);
  }
}

/** Runs a handler behind its interceptor, which never fails: see RequestPipeline. */
async function start(handled: Promise<unknown>): Promise<void> {
  const result = await handled;
  if (isObservable(result)) result.subscribe();
}
