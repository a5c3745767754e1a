import { once } from 'node:events';
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { get } from 'node:https';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connect } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { decodeStunMessage, Method, StunMessageBuilder } from '@parley/nat';
import { io } from 'socket.io-client';
import { testConfig } from './config/testing/test-config.ts';
import { createSupernode, type Supernode } from './create-supernode.ts';
import { seedDataFolder } from './persistence/testing/test-database.ts';

jest.setTimeout(60_000);
const FIXTURES = path.join(import.meta.dirname, 'testing');
let root: string;
let supernode: Supernode | undefined;

beforeEach(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'parley-tls-port-'));
  await seedDataFolder(path.join(root, 'data'));
  for (const name of ['cert', 'key'])
    await copyFile(path.join(FIXTURES, `tls-${name}.pem`), path.join(root, `${name}.pem`));
});
afterEach(async () => {
  await supernode?.stop();
  supernode = undefined;
  await rm(root, { recursive: true, force: true });
});

async function start(env: Record<string, string> = {}): Promise<URL> {
  supernode = await createSupernode(
    testConfig({
      SUPERNODE_DATA_DIR: path.join(root, 'data'),
      SUPERNODE_TLS_CERT: path.join(root, 'cert.pem'),
      SUPERNODE_TLS_KEY: path.join(root, 'key.pem'),
      SUPERNODE_TLS_PORT: '0',
      SUPERNODE_DRAIN_SECONDS: '0',
      ...env,
    }),
  );
  return new URL(supernode.addresses.tls ?? 'missing:');
}

const authority = (): Promise<Buffer> => readFile(path.join(FIXTURES, 'tls-cert.pem'));

async function statusOf(url: URL): Promise<number | undefined> {
  const request = get(new URL('/health/live', url), { ca: await authority(), agent: false });
  const [response] = (await once(request, 'response')) as [{ statusCode?: number; resume(): void }];
  response.resume();
  return response.statusCode;
}

async function joins(url: URL): Promise<boolean> {
  const socket = io(url.href, {
    transports: ['websocket'],
    ca: (await authority()).toString(),
    reconnection: false,
  });
  const isJoined = await new Promise<boolean>((resolve) => {
    socket.on('connect', () => resolve(true)).on('connect_error', () => resolve(false));
  });
  socket.disconnect();
  return isJoined;
}

describe('the TLS port of a supernode', () => {
  it('serves HTTP, WebSocket and TURN', async () => {
    const url = await start();
    const turn = connect({
      host: url.hostname,
      port: Number(url.port),
      ca: await authority(),
      ALPNProtocols: ['stun.turn'],
    });
    await once(turn, 'secureConnect');
    turn.write(new StunMessageBuilder('request', Method.ALLOCATE, new Uint8Array(12)).toBytes());
    const decoded = decodeStunMessage(((await once(turn, 'data')) as [Buffer])[0]);
    turn.destroy();

    expect(decoded.ok && decoded.message.messageClass).toBe('error'); // who are you?
    expect(await statusOf(url)).toBe(200);
    expect(await joins(url)).toBe(true);
  });

  it('counts WebSocket connections by their true source', async () => {
    const url = await start({ SUPERNODE_MAX_CONNECTIONS_PER_SOURCE: '1' });
    const first = io(url.href, { transports: ['websocket'], ca: (await authority()).toString() });
    await once(first as unknown as NodeJS.EventEmitter, 'connect');

    const isSecondIn = await joins(url);
    first.disconnect();

    expect(isSecondIn).toBe(false);
  });

  it('lets nobody choose a source by a header, whatever proxy is trusted elsewhere', async () => {
    const url = await start({ SUPERNODE_MAX_CONNECTIONS_PER_SOURCE: '1', SUPERNODE_TRUST_PROXY: 'true' });
    const first = io(url.href, {
      transports: ['websocket'],
      ca: (await authority()).toString(),
      extraHeaders: { 'X-Forwarded-For': '198.51.100.1' },
    });
    await once(first as unknown as NodeJS.EventEmitter, 'connect');

    const isSecondIn = await joins(url);
    first.disconnect();

    expect(isSecondIn).toBe(false);
  });

  it('serves HTTP and WebSocket without the relay role', async () => {
    const url = await start({ SUPERNODE_ROLES: 'index' });

    expect([await statusOf(url), await joins(url)]).toEqual([200, true]);
  });

  it('refuses a key that does not belong to the certificate', async () => {
    await copyFile(path.join(FIXTURES, 'tls-next-key.pem'), path.join(root, 'key.pem'));

    await expect(start()).rejects.toMatchObject({ code: 'SN_TLS_INVALID' });
  });
});
