import type { INestApplication } from '@nestjs/common';
import { IoAdapter } from '@nestjs/platform-socket.io';
import { LIMITS } from '@parley/protocol';
import type { Server, ServerOptions } from 'socket.io';
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
