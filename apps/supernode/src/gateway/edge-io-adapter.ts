import type { INestApplication } from '@nestjs/common';
import { IoAdapter } from '@nestjs/platform-socket.io';
import type { MessageMappingProperties } from '@nestjs/websockets';
import { LIMITS } from '@parley/protocol';
import type { Server, ServerOptions } from 'socket.io';
import { ConnectionAdmission } from './connection-admission.ts';
import { RequestHandlers } from './request-handlers.ts';

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
  private readonly handlers: RequestHandlers;

  constructor(
    application: INestApplication,
    private readonly heartbeat: Heartbeat = { intervalMs: 25_000, timeoutMs: 20_000 },
  ) {
    super(application);
    this.admission = application.get(ConnectionAdmission);
    this.handlers = application.get(RequestHandlers);
  }

  /** Once for each gateway class. Its handlers are bound here for all sockets, and not again for each that connects. */
  override bindClientConnect(_server: Server, connected: (socket: unknown) => void): void {
    connected(undefined);
  }

  /** Of the class, as {@link bindClientConnect} has it bound: to no socket. */
  override bindMessageHandlers(
    _socket: unknown,
    handlers: readonly Pick<MessageMappingProperties, 'message' | 'callback'>[],
  ): void {
    for (const { message, callback } of handlers)
      this.handlers.add(message as string, callback as Parameters<RequestHandlers['add']>[1]);
  }

  /** No gateway class waits for the end of a connection: ConnectionLifecycle does. */
  override bindClientDisconnect(): void {
    // nothing to bind
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
