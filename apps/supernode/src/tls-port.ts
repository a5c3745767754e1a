import type { Server as HttpServer } from 'node:http';
import type { Config } from './config/config.schema.ts';
import { openHttpInlet } from './http-inlet.ts';
import type { BoundUrls } from './listeners.ts';
import type { StunListeners } from './nat/stun-listeners.port.ts';
import type { Logger } from './observability/logger.ts';
import type { Metrics } from './observability/metrics.ts';
import { listenOnTls } from './tls-listener.ts';

export interface TlsPortParts {
  readonly http: HttpServer;
  readonly stun: StunListeners | undefined;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** TCP connections that HTTP and WebSocket may have. */
  readonly maxConnections: number;
}

export interface TlsPort {
  readonly urls: BoundUrls;
  close(): Promise<void>;
}

const TLS_PORT = 443;
/** Handshakes take a millisecond or two of the thread that relays everybody's media: one source gets a tenth of it. */
const HANDSHAKES_PER_SECOND = 50;
const SETTING = 'SUPERNODE_TLS_PORT';

/**
 * The TLS port, where a certificate is configured: with the relay role in the relay thread, for TURN as well as for HTTP and
 * WebSocket (ADR 0016), else beside the HTTP server.
 *
 * @throws SupernodeError SN_TLS_INVALID, SN_LISTEN_FAILED
 */
export async function openTlsPort({ edge, nat }: Config, parts: TlsPortParts): Promise<TlsPort | undefined> {
  const { hosts, tlsPort: port = TLS_PORT, tlsCertFile: certFile, tlsKeyFile: keyFile } = edge;
  if (certFile === undefined || keyFile === undefined) return undefined;
  const { http, stun, logger, metrics, maxConnections } = parts;
  if (stun === undefined || stun.listening().length === 0) {
    const options = { hosts, port, setting: SETTING, maxConnections, certFile, keyFile, logger };
    return { urls: await listenOnTls(http, options), close: () => Promise.resolve() };
  }
  const inlet = await openHttpInlet(http, { onDrop: (reason) => metrics.drop('tls', reason) });
  try {
    const urls = await stun.listenTls({
      port,
      certFile,
      keyFile,
      inlet: inlet.address,
      limits: {
        connections: maxConnections + nat.maxAllocations,
        connectionsPerSource: edge.maxConnectionsPerSource + nat.maxAllocationsPerAddress,
        perSecondOfSource: HANDSHAKES_PER_SECOND,
      },
    });
    return { urls, close: () => inlet.close() };
  } catch (error) {
    await inlet.close();
    throw error;
  }
}
