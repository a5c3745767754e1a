import { X509Certificate } from 'node:crypto';
import { unwatchFile, watchFile } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { SupernodeError, messageOf } from './errors.ts';

/** Certificates are renewed every few weeks; a look now and then is enough, and works for mounted secrets too. */
const RELOAD_INTERVAL_MS = 10_000;

/** PEM files: the chain, and the key of its first certificate. */
export interface CertificateFiles {
  readonly certFile: string;
  readonly keyFile: string;
  /** How often they are looked at, in milliseconds. @default 10000 */
  readonly reloadIntervalMs?: number;
}

export interface Certificate {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** @throws SupernodeError SN_TLS_INVALID */
export async function readCertificate({ certFile, keyFile }: CertificateFiles): Promise<Certificate> {
  try {
    const pair = { cert: await readFile(certFile), key: await readFile(keyFile) };
    createSecureContext(pair); // throws where the two do not belong together
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

/** Calls back with what is in the files after they changed, or with why it cannot be used. Returns the end of it. */
export function watchCertificate(
  files: CertificateFiles,
  changed: (outcome: Certificate | SupernodeError) => void,
): () => void {
  const reload = (): void => {
    readCertificate(files).then(changed, (error: unknown) => {
      changed(error instanceof SupernodeError ? error : new SupernodeError('SN_INVARIANT', messageOf(error)));
    });
  };
  const names = [files.certFile, files.keyFile];
  const interval = files.reloadIntervalMs ?? RELOAD_INTERVAL_MS;
  for (const name of names) watchFile(name, { interval, persistent: false }, reload);
  return () => {
    for (const name of names) unwatchFile(name, reload);
  };
}

/**
 * How a client must call a server at this address for the certificate to be the right one: by the address where that is
 * in it, else by the first name that is no wildcard. Undefined where it has neither.
 */
export function certifiedHost({ cert }: Pick<Certificate, 'cert'>, address: string): string | undefined {
  const certificate = new X509Certificate(cert);
  if (certificate.checkIP(address) !== undefined) return address;
  const names = (certificate.subjectAltName ?? '').split(', ').flatMap((entry) => {
    const [, name] = /^DNS:([^*"\s]+)$/.exec(entry) ?? [];
    return name === undefined ? [] : [name];
  });
  return names[0];
}
