import { once } from 'node:events';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { TLSSocket } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { listenOnTls } from './tls-listener.ts';

const FIXTURES = path.join(import.meta.dirname, 'testing');
let folder: string;
let server: Server;
let notice: (text: string) => void;
const logger = pino(
  { level: 'info' },
  { write: (line: string) => notice((JSON.parse(line) as { msg: string }).msg) },
);

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'parley-tls-'));
  await install('tls');
  server = createServer((_, response) => response.end('served'));
  notice = () => undefined;
});
afterEach(async () => {
  server.close();
  await rm(folder, { recursive: true, force: true });
});

async function install(pair: 'tls' | 'tls-next'): Promise<void> {
  await copyFile(path.join(FIXTURES, `${pair}-cert.pem`), path.join(folder, 'cert.pem'));
  await copyFile(path.join(FIXTURES, `${pair}-key.pem`), path.join(folder, 'key.pem'));
}

function listen() {
  return listenOnTls(server, {
    hosts: ['127.0.0.1'],
    port: 0,
    setting: 'SUPERNODE_TLS_PORT',
    certFile: path.join(folder, 'cert.pem'),
    keyFile: path.join(folder, 'key.pem'),
    logger,
    reloadIntervalMs: 20,
  });
}

async function get(url: string): Promise<{ text: string; subject: string }> {
  const ca = [
    await readFile(path.join(FIXTURES, 'tls-cert.pem')),
    await readFile(path.join(FIXTURES, 'tls-next-cert.pem')),
  ];
  return new Promise((resolve, reject) => {
    const sent = request(url, { ca, agent: false }, (response) => {
      const { socket } = response;
      const subject = socket instanceof TLSSocket ? String(socket.getPeerCertificate().subject.CN) : 'no TLS';
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('end', () => resolve({ text, subject }));
    });
    sent.on('error', reject).end();
  });
}

describe('listenOnTls', () => {
  it('serves over TLS what the HTTP server serves, and closes with it', async () => {
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const [url] = await listen();

    expect(url).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
    expect(await get(url)).toEqual({ text: 'served', subject: 'localhost' });
    server.close();
    await expect(get(url)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('takes a renewed certificate without a restart, and keeps the old one where the new is broken', async () => {
    const [url] = await listen();

    const refused = new Promise<string>((resolve) => (notice = resolve));
    await writeFile(path.join(folder, 'cert.pem'), 'no certificate');
    expect(await refused).toBe('the new TLS certificate cannot be used; the old one stays');
    expect((await get(url)).subject).toBe('localhost');

    const loaded = new Promise<void>((resolve) => {
      notice = (text) => {
        if (text === 'TLS certificate loaded again') resolve();
      };
    });
    await install('tls-next');
    await loaded;
    expect((await get(url)).subject).toBe('next.localhost');
  });

  it('refuses a key that does not belong to the certificate', async () => {
    await copyFile(path.join(FIXTURES, 'tls-next-key.pem'), path.join(folder, 'key.pem'));

    await expect(listen()).rejects.toMatchObject({ code: 'SN_TLS_INVALID', exitCode: 78 });
  });
});
