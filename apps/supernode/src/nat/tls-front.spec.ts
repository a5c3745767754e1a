import { once } from 'node:events';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  decodeStunMessage,
  Method,
  StunMessageBuilder,
  transportAddress,
  XorMappedAddress,
} from '@parley/nat';
import { TurnServerDriver } from '@parley/nat/node';
import { openHttpInlet, type HttpInlet } from '../http-inlet.ts';
import { TlsFront, type TlsSettings } from './tls-front.ts';

const FIXTURES = path.join(import.meta.dirname, '../testing');
const BINDING = new StunMessageBuilder('request', Method.BINDING, new Uint8Array(12)).toBytes();
const GET = 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
let folder: string;
let http: Server;
let inlet: HttpInlet;
let driver: TurnServerDriver;
let front: TlsFront | undefined;
let certificateNews: (error?: Error) => void;

async function install(pair: 'tls' | 'tls-next'): Promise<void> {
  await copyFile(path.join(FIXTURES, `${pair}-cert.pem`), path.join(folder, 'cert.pem'));
  await copyFile(path.join(FIXTURES, `${pair}-key.pem`), path.join(folder, 'key.pem'));
}

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'parley-front-'));
  await install('tls');
  http = createServer((request, response) => response.end(`http ${request.socket.remotePort ?? 0}`));
  inlet = await openHttpInlet(http, { onDrop: () => undefined });
  driver = await TurnServerDriver.open({
    listen: [{ address: '127.0.0.1', port: 0 }],
    turn: { realm: 'front', relay: { ipv4: { bind: '127.0.0.1' } } },
  });
  certificateNews = () => undefined;
});
afterEach(async () => {
  front?.close();
  http.closeAllConnections();
  await Promise.all([inlet.close(), driver.close()]);
  await rm(folder, { recursive: true, force: true });
});

async function open(settings: Partial<TlsSettings> = {}): Promise<number> {
  front = await TlsFront.open(
    {
      hosts: ['127.0.0.1'],
      visible: ['127.0.0.1'],
      port: 0,
      limits: { connections: 20, connectionsPerSource: 20 },
      inlet: inlet.address,
      certFile: path.join(folder, 'cert.pem'),
      keyFile: path.join(folder, 'key.pem'),
      reloadIntervalMs: 20,
      ...settings,
    },
    driver,
    { onCertificate: (error) => certificateNews(error) },
  );
  return front.bound[0]!.port;
}

async function client(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const ca = await Promise.all(
    ['tls', 'tls-next'].map((name) => readFile(path.join(FIXTURES, `${name}-cert.pem`))),
  );
  const socket = connect({ port, host: '127.0.0.1', ca, ...options });
  await once(socket, 'secureConnect');
  return socket;
}

async function answerTo(socket: TLSSocket, bytes: Uint8Array | string): Promise<Buffer> {
  socket.write(bytes);
  const [answer] = (await once(socket, 'data')) as [Buffer];
  return answer;
}

describe('TlsFront', () => {
  it.each([['stun.turn'], ['stun.nat-discovery'], [undefined]])('serves STUN with ALPN %s', async (alpn) => {
    const port = await open();
    const socket = await client(port, alpn === undefined ? {} : { ALPNProtocols: [alpn] });

    const decoded = decodeStunMessage(await answerTo(socket, BINDING));
    const { localPort } = socket;
    socket.destroy();

    expect(socket.alpnProtocol).toBe(alpn ?? false);
    expect(decoded.ok && decoded.message.get(XorMappedAddress)).toEqual(
      transportAddress('127.0.0.1', localPort!),
    );
    expect({ ...front!.stats(), open: 0 }).toEqual({ open: 0, served: { turn: 1, http: 0 }, drops: {} });
  });

  it.each([['http/1.1'], [undefined]])('passes HTTP on with ALPN %s', async (alpn) => {
    const port = await open();
    const socket = await client(port, alpn === undefined ? {} : { ALPNProtocols: ['h2', alpn] });
    const { localPort } = socket;

    const answer = await answerTo(socket, GET);
    await once(socket.resume(), 'close');

    expect(answer.toString()).toContain(`http ${localPort!}`);
    expect({ ...front!.stats(), open: 0 }).toEqual({ open: 0, served: { turn: 0, http: 1 }, drops: {} });
  });

  it('serves TURN and HTTP on the same port at the same time', async () => {
    const port = await open();
    const sockets = await Promise.all(Array.from({ length: 10 }, () => client(port)));

    const answers = await Promise.all(
      sockets.map((socket, at) => answerTo(socket, at % 2 === 0 ? GET : BINDING)),
    );
    for (const socket of sockets) socket.destroy();

    expect(answers.map((bytes) => bytes[0])).toEqual([72, 1, 72, 1, 72, 1, 72, 1, 72, 1]);
  });

  it('passes on a large answer whole', async () => {
    http.removeAllListeners('request');
    http.on('request', (_request, response) => response.end(Buffer.alloc(3_000_000, 'x')));
    const socket = await client(await open());
    let received = 0;
    socket.on('data', (chunk: Buffer) => (received += chunk.length));

    socket.write(GET);
    await once(socket, 'close');

    expect(received).toBeGreaterThan(3_000_000);
  });

  it('refuses an application protocol that it does not speak, and counts what is no TLS', async () => {
    const port = await open();
    await expect(client(port, { ALPNProtocols: ['h2'] })).rejects.toMatchObject({
      code: 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL',
    });
    const plain = connectTcp(port, '127.0.0.1');
    plain.write('GET / HTTP/1.1\r\n\r\n');
    await new Promise((resolve) => plain.on('error', resolve).on('close', resolve).resume());

    expect({ ...front!.stats(), open: 0 }).toEqual({
      open: 0,
      served: { turn: 0, http: 0 },
      drops: { 'unknown-alpn': 1, 'handshake-failed': 1 },
    });
  });

  it('has no time for the handshakes of a source that comes too often', async () => {
    const port = await open({
      limits: { connections: 20, connectionsPerSource: 2, perSecondOfSource: 0.001 },
    });
    for (let visit = 0; visit < 2; visit += 1) {
      const socket = await client(port);
      await answerTo(socket, BINDING);
      socket.destroy();
      while (front!.stats().open > 0) await new Promise((resolve) => setImmediate(resolve));
    }

    await expect(client(port)).rejects.toMatchObject({ code: expect.stringMatching(/^(ECONNRESET|EPIPE)$/) });
    expect(front!.stats().drops).toEqual({ 'too-frequent-connections-of-source': 1 });
  });

  it('keeps nothing of connections that came and went', async () => {
    const port = await open({ limits: { connections: 8, connectionsPerSource: 8 } });

    // Far more than the limits admit at one time: they'd refuse if anything was kept.
    for (let round = 0; round < 6; round += 1) {
      const sockets = await Promise.all(
        [BINDING, GET, BINDING, GET].map(async (bytes) => {
          const socket = await client(port);
          await answerTo(socket, bytes);
          return socket;
        }),
      );
      const halfWay = connectTcp(port, '127.0.0.1'); // no handshake at all
      await once(halfWay, 'connect');
      for (const socket of [...sockets, halfWay]) socket.destroy();
      // The server hears of the ends a little later.
      while (front!.stats().open > 0 || driver.stats().streams.open > 0)
        await new Promise((resolve) => setImmediate(resolve));
    }

    const { served, drops } = front!.stats();
    expect(served).toEqual({ turn: 12, http: 12 });
    expect(drops).not.toHaveProperty('too-many-connections-of-source');
  });

  it('refuses connections beyond the limit of a source', async () => {
    const port = await open({ limits: { connections: 20, connectionsPerSource: 1 } });
    const first = await client(port);

    await expect(client(port)).rejects.toThrow();

    first.destroy();
    expect(front?.stats().drops).toEqual({ 'too-many-connections-of-source': 1 });
  });

  it('takes a renewed certificate, and keeps the old one where the new is broken', async () => {
    const port = await open();
    const subject = async (): Promise<unknown> => {
      const socket = await client(port);
      const { CN } = socket.getPeerCertificate().subject;
      socket.destroy();
      return CN;
    };
    expect(await subject()).toBe('localhost');

    const refused = new Promise<Error | undefined>((resolve) => (certificateNews = resolve));
    await writeFile(path.join(folder, 'cert.pem'), 'no certificate');
    expect(await refused).toMatchObject({ code: 'SN_TLS_INVALID' });
    expect(await subject()).toBe('localhost');

    const loaded = new Promise<void>((resolve) => {
      certificateNews = (error) => {
        if (error === undefined) resolve();
      };
    });
    await install('tls-next');
    await loaded;
    expect(await subject()).toBe('next.localhost');
  });

  it('says by what name clients must call it', async () => {
    await open({ visible: ['203.0.113.1'] });

    expect(front?.bound[0]?.host).toBe('localhost');
  });

  it('refuses a key that does not belong to the certificate, and a port that is taken', async () => {
    const port = await open();
    const taken = open({ port });
    await expect(taken).rejects.toMatchObject({ code: 'NAT_BIND_FAILED' });
    await copyFile(path.join(FIXTURES, 'tls-next-key.pem'), path.join(folder, 'key.pem'));

    await expect(open()).rejects.toMatchObject({ code: 'SN_TLS_INVALID' });
  });

  it('cuts what it passes on when it closes', async () => {
    const socket = await client(await open(), { ALPNProtocols: ['http/1.1'] });
    const ended = new Promise((resolve) => socket.on('error', resolve).on('close', resolve).resume());

    front?.close();

    await ended;
  });
});
