import { Inject, Injectable } from '@nestjs/common';
import { LIMITS } from '@parley/protocol';
import { BackgroundTasks } from '../background-tasks.ts';
import { SCHEDULER, type Scheduler } from '../clock/scheduler.port.ts';
import { Metrics } from '../observability/metrics.ts';
import { Refusal } from '../refusal.ts';
import { ConnectionAdmission } from './connection-admission.ts';
import { Connection } from './connection.ts';
import { DeviceChannels } from './device-channels.ts';
import type { EdgeServer, EdgeSocket } from './edge-socket.ts';
import { RequestGate } from './request-gate.ts';
import { RequestHandlers } from './request-handlers.ts';
import { SignedHomes } from './signed-homes.ts';

/** What `ws` says of a message over the limit, which it answers by closing with 1009; engine.io passes the text on only. */
const TOO_LARGE = 'Max payload size exceeded';

/** From the first packet of a socket to its end: what exists around the handlers of requests. */
@Injectable()
export class ConnectionLifecycle {
  private readonly open = new Set<Connection>();
  private readonly transports = new WeakSet<EdgeSocket['conn']>();

  constructor(
    private readonly admission: ConnectionAdmission,
    private readonly gate: RequestGate,
    private readonly handlers: RequestHandlers,
    private readonly channels: DeviceChannels,
    private readonly homes: SignedHomes,
    private readonly tasks: BackgroundTasks,
    private readonly metrics: Metrics,
    @Inject(SCHEDULER) private readonly scheduler: Scheduler,
  ) {
    metrics.gauge('edge_connections', 'Connections of edge clients', [], (gauge) =>
      gauge.set(this.open.size),
    );
    metrics.gauge('edge_devices', 'Signed-in devices, connected or resumable', [], (gauge) =>
      gauge.set(this.channels.counts.known),
    );
  }

  /** Before any handler sees a socket of this server. */
  watch(server: EdgeServer): void {
    server.use((socket, next) => {
      // A second socket on one transport would have a second budget, and outlive the first.
      if (this.transports.has(socket.conn)) {
        this.metrics.drop('gateway', 'second-socket');
        next(new Refusal('CONFLICT', 'This transport has its connection already.'));
        return;
      }
      this.transports.add(socket.conn);
      this.begin(socket);
      next();
    });
  }

  get connections(): number {
    return this.open.size;
  }

  /** From now on no connection is taken. */
  refuseNew(): void {
    this.admission.drain();
  }

  /** Tells every client to come back within the window. */
  sendAway(windowMs: number): void {
    for (const connection of this.open) {
      connection.send('go-away', { reason: 'draining', alternates: [], retryAfterMs: 0, windowMs });
      connection.close();
    }
  }

  remaining(): readonly Connection[] {
    return [...this.open];
  }

  /** Connections on which nobody is signed in. */
  strangers(): readonly Connection[] {
    return [...this.open].filter(({ device }) => !device);
  }

  private begin(socket: EdgeSocket): void {
    const connection = new Connection(
      this.admission.sourceOf(socket.request),
      transportOf(socket),
      this.scheduler,
    );
    socket.data.connection = connection;
    this.open.add(connection);
    connection.expectSignInWithin(LIMITS.challengeLifetimeMs);
    const isAdmitted = this.gate.open(connection);
    // It goes to its handler from here: nothing listens to the events of a socket.
    socket.use((packet) => {
      if (isAdmitted(packet)) this.handlers.serve(socket, packet);
    });
    this.watchHeartbeat(socket, connection);
    sendTogether(socket);
    // A client that leaves the namespace leaves: the transport has no other use.
    socket.once('disconnect', () => socket.conn.close());
    socket.conn.once('close', (_reason: string, description?: unknown) => this.end(connection, description));
  }

  private watchHeartbeat(socket: EdgeSocket, connection: Connection): void {
    socket.conn.on('packetCreate', (packet: { type: string }) => {
      if (packet.type === 'ping') this.channels.pingSent(connection);
    });
    socket.conn.on('heartbeat', () => {
      void this.tasks.attempt('Trimming events', () => this.channels.pongReceived(connection));
      this.homes.refresh(connection);
    });
  }

  private end(connection: Connection, description: unknown): void {
    this.open.delete(connection);
    connection.ended();
    if (isTooLarge(description)) this.metrics.drop('gateway', 'too-large');
    void this.tasks.attempt('Ending a connection', () => this.channels.lost(connection));
  }
}

function transportOf(socket: EdgeSocket): ConstructorParameters<typeof Connection>[1] {
  return {
    // The pairs of event and payload are checked where they are made: Notifier and ConnectionContext.
    emit: (event, payload, meta) => (socket.emit as (...packet: unknown[]) => boolean)(event, payload, meta),
    close: () => socket.disconnect(true),
  };
}

/** Frames that leave in one turn leave in one system call: the answers to the messages of one batch, for example. */
function sendTogether(socket: EdgeSocket): void {
  const transport = socket.request.socket;
  socket.conn.on('flush', () => {
    transport.cork();
    process.nextTick(() => transport.uncork());
  });
}

function isTooLarge(description: unknown): boolean {
  return description instanceof Error && description.message.includes(TOO_LARGE);
}
