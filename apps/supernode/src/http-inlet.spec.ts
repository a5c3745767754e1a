import { once } from 'node:events';
import { existsSync, statSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { connect, type Socket } from 'node:net';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { transportAddress } from '@parley/nat';
import { openHttpInlet, type HttpInlet } from './http-inlet.ts';
import { encodeSpliceHeader } from './nat/splice-header.ts';

const CLIENT = transportAddress('203.0.113.7', 50_000);
const SERVER = transportAddress('203.0.113.1', 443);
const REQUEST = 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
let http: Server;
let seen: IncomingMessage[];
let dropped: string[];
let inlet: HttpInlet | undefined;

beforeEach(() => {
  seen = [];
  dropped = [];
  http = createServer((request, response) => {
    seen.push(request);
    response.end(`hello ${request.socket.remoteAddress ?? 'nobody'}`);
  });
});
afterEach(async () => {
  http.closeAllConnections();
  await inlet?.close();
});

async function open(kind: 'unix' | 'loopback'): Promise<HttpInlet> {
  inlet = await openHttpInlet(http, { kind, onDrop: (reason) => dropped.push(reason) });
  return inlet;
}

function header(secret: Uint8Array): Uint8Array {
  return encodeSpliceHeader({ client: CLIENT, server: SERVER, secret });
}

async function reply(socket: Socket): Promise<string> {
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
  await once(socket, 'close');
  return text;
}

describe.each(['unix', 'loopback'] as const)('openHttpInlet › %s', (kind) => {
  it('hands connections to HTTP under the address of the true client', async () => {
    const { address } = await open(kind);
    const socket = connect({ host: '127.0.0.1', ...address.at });

    socket.write(Buffer.concat([header(address.secret), Buffer.from(REQUEST)]));

    expect(await reply(socket)).toContain('hello 203.0.113.7');
    expect(seen[0]?.socket).toMatchObject({ remotePort: 50_000, localPort: 443, encrypted: true });
  });

  it('takes a header and a request in single bytes', async () => {
    const { address } = await open(kind);
    const socket = connect({ host: '127.0.0.1', ...address.at }).setNoDelay(true);

    for (const byte of Buffer.concat([header(address.secret), Buffer.from(REQUEST)])) {
      await new Promise<void>((resolve) => socket.write(Uint8Array.of(byte), () => resolve()));
    }

    expect(await reply(socket)).toContain('hello 203.0.113.7');
  });

  it.each([
    ['another secret', 'inlet-secret', () => header(new Uint8Array(32))],
    ['no header', 'inlet-header', () => Buffer.from(REQUEST)],
  ])('cuts a connection with %s', async (_name, reason, bytes) => {
    const { address } = await open(kind);
    const socket = connect({ host: '127.0.0.1', ...address.at });

    socket.write(bytes());

    expect(await reply(socket)).toBe('');
    expect([dropped, seen]).toEqual([[reason], []]);
  });

  it('leaves nothing behind, and cuts what has not said who it is', async () => {
    const { address, close } = await open(kind);
    const silent = connect({ host: '127.0.0.1', ...address.at });
    await once(silent, 'connect');
    silent.write(header(address.secret).subarray(0, 5));
    const ended = new Promise((resolve) => silent.on('error', resolve).on('close', resolve).resume());

    await close();

    await ended;
    if ('path' in address.at) expect(existsSync(path.dirname(address.at.path))).toBe(false);
  });
});

describe('openHttpInlet', () => {
  it('keeps its Unix socket in a folder that only this user may enter', async () => {
    const { at } = (await open('unix')).address;

    expect('path' in at && statSync(path.dirname(at.path)).mode & 0o777).toBe(0o700);
  });
});
