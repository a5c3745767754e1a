import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { Inject, Injectable } from '@nestjs/common';
import { EDGE_CONFIG } from '../config/config.module.ts';
import type { EdgeConfig } from '../config/config.schema.ts';
import { isSpliced } from '../http-inlet.ts';
import { Metrics } from '../observability/metrics.ts';
import { clientAddress, sourceOf } from './source-address.ts';

type Admission = 'admitted' | 'origin-refused' | 'too-many-connections' | 'too-many-from-source' | 'draining';

/** Decides before the WebSocket handshake whether a connection is taken: origin, counts in total and per source. */
@Injectable()
export class ConnectionAdmission {
  private readonly perSource = new Map<string, number>();
  private readonly held = new WeakSet<Socket>();
  private total = 0;
  private draining = false;

  constructor(
    @Inject(EDGE_CONFIG) private readonly config: EdgeConfig,
    private readonly metrics: Metrics,
  ) {}

  /** Connections that hold a place now. */
  get connections(): number {
    return this.total;
  }

  /** From now on no connection is taken. */
  drain(): void {
    this.draining = true;
  }

  /** The budget key of a request's client. */
  sourceOf({ headers, socket }: IncomingMessage): string {
    // Clients reach the TLS port themselves: there the header is what they make of it.
    const isProxied = this.config.trustProxy && !isSpliced(socket);
    return sourceOf(clientAddress(socket.remoteAddress, headers['x-forwarded-for'], isProxied));
  }

  /** Takes a place for the TCP connection of the request, given back when that ends. */
  admit(request: IncomingMessage): Admission {
    const source = this.sourceOf(request);
    const admission = this.decide(request, source);
    if (admission === 'admitted') this.hold(request.socket, source);
    else this.metrics.drop('gateway', admission);
    return admission;
  }

  private decide(request: IncomingMessage, source: string): Admission {
    if (this.draining) return 'draining';
    if (!this.isOriginAllowed(request.headers.origin)) return 'origin-refused';
    if (this.held.has(request.socket)) return 'admitted';
    if (this.total >= this.config.maxConnections) return 'too-many-connections';
    const fromSource = this.perSource.get(source) ?? 0;
    return fromSource >= this.config.maxConnectionsPerSource ? 'too-many-from-source' : 'admitted';
  }

  /** Browsers always name an origin and send it with a WebSocket whatever CORS says; other clients have none. */
  private isOriginAllowed(origin: string | undefined): boolean {
    if (origin === undefined) return true;
    return this.config.corsOrigins.includes('*') || this.config.corsOrigins.includes(origin);
  }

  private hold(socket: Socket, source: string): void {
    if (this.held.has(socket)) return;
    this.held.add(socket);
    this.total += 1;
    this.perSource.set(source, (this.perSource.get(source) ?? 0) + 1);
    socket.once('close', () => this.release(source));
  }

  private release(source: string): void {
    this.total -= 1;
    const left = (this.perSource.get(source) ?? 1) - 1;
    if (left === 0) this.perSource.delete(source);
    else this.perSource.set(source, left);
  }
}
