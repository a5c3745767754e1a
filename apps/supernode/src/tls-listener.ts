import type { Server as HttpServer } from 'node:http';
import { createServer } from 'node:tls';
import { SupernodeError } from './errors.ts';
import { listenOn, type BoundUrls, type ListenOptions } from './listeners.ts';
import type { Logger } from './observability/logger.ts';
import { readCertificate, watchCertificate, type CertificateFiles } from './tls-certificate.ts';

interface TlsListenOptions extends ListenOptions, CertificateFiles {
  readonly logger: Logger;
}

/**
 * Lets an HTTP server be reached over TLS too, on a supernode without the relay role: decrypted connections are handed to
 * it, so that HTTP and WebSocket are served by the same code. (With that role the relay thread has the TLS port, because
 * TURN is served on it too.) New certificate files are taken without a restart; a broken pair keeps the old one.
 *
 * @throws SupernodeError SN_TLS_INVALID, SN_LISTEN_FAILED
 */
export async function listenOnTls(server: HttpServer, options: TlsListenOptions): Promise<BoundUrls> {
  const { logger } = options;
  const tls = createServer({
    ...(await readCertificate(options)),
    minVersion: 'TLSv1.2',
    ALPNProtocols: ['http/1.1'],
  });
  tls.on('secureConnection', (connection) => server.emit('connection', connection));
  // A client that fails the handshake is no event of ours; the socket is closed already.
  tls.on('tlsClientError', () => logger.debug('TLS handshake failed'));
  const urls = await listenOn(tls, { ...options, scheme: 'https' }, server);
  const unwatch = watchCertificate(options, (outcome) => {
    if (outcome instanceof SupernodeError) {
      logger.warn({ err: outcome }, 'the new TLS certificate cannot be used; the old one stays');
      return;
    }
    tls.setSecureContext(outcome);
    logger.info('TLS certificate loaded again');
  });
  tls.once('close', unwatch);
  return urls;
}
