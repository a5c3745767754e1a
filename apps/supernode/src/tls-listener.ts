import { unwatchFile, watchFile } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Server as HttpServer } from 'node:http';
import { createServer, type Server, type TlsOptions } from 'node:tls';
import { SupernodeError, messageOf } from './errors.ts';
import { listenOn, type BoundUrls, type ListenOptions } from './listeners.ts';
import type { Logger } from './observability/logger.ts';

/** Certificates are renewed every few weeks; a look now and then is enough, and works for mounted secrets too. */
const RELOAD_INTERVAL_MS = 10_000;

interface TlsListenOptions extends ListenOptions {
  readonly certFile: string;
  readonly keyFile: string;
  readonly logger: Logger;
  /** @default 10000 */
  readonly reloadIntervalMs?: number;
}

/**
 * Lets an HTTP server be reached over TLS too: decrypted connections are handed to it, so that HTTP and WebSocket are
 * served by the same code. New certificate files are taken without a restart; a broken pair keeps the old one.
 *
 * @throws SupernodeError SN_TLS_INVALID, SN_LISTEN_FAILED
 */
export async function listenOnTls(server: HttpServer, options: TlsListenOptions): Promise<BoundUrls> {
  const tls = createServer({
    ...(await readCertificate(options)),
    minVersion: 'TLSv1.2',
    ALPNProtocols: ['http/1.1'],
  });
  tls.on('secureConnection', (connection) => server.emit('connection', connection));
  // A client that fails the handshake is no event of ours; the socket is closed already.
  tls.on('tlsClientError', () => options.logger.debug('TLS handshake failed'));
  const urls = await listenOn(tls, { ...options, scheme: 'https' }, server);
  const reload = (): void => void reloadCertificate(tls, options);
  const files = [options.certFile, options.keyFile];
  const interval = options.reloadIntervalMs ?? RELOAD_INTERVAL_MS;
  for (const file of files) watchFile(file, { interval, persistent: false }, reload);
  tls.once('close', () => {
    for (const file of files) unwatchFile(file, reload);
  });
  return urls;
}

async function reloadCertificate(tls: Server, options: TlsListenOptions): Promise<void> {
  try {
    tls.setSecureContext(await readCertificate(options));
    options.logger.info('TLS certificate loaded again');
  } catch (error) {
    options.logger.warn({ err: error }, 'the new TLS certificate cannot be used; the old one stays');
  }
}

async function readCertificate({ certFile, keyFile }: TlsListenOptions): Promise<TlsOptions> {
  try {
    const pair = { cert: await readFile(certFile), key: await readFile(keyFile) };
    createServer(pair).unref(); // throws where the two do not belong together
    return pair;
  } catch (cause) {
    const files = 'SUPERNODE_TLS_CERT, SUPERNODE_TLS_KEY';
    throw new SupernodeError(
      'SN_TLS_INVALID',
      `${files}: the certificate cannot be used: ${messageOf(cause)}`,
      { cause },
    );
  }
}
