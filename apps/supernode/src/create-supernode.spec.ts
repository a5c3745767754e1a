import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { testConfig } from './config/testing/test-config.ts';
import { createSupernode, type Supernode } from './create-supernode.ts';
import { seedDataFolder } from './persistence/testing/test-database.ts';

jest.setTimeout(60_000);
const KEY = 'the-admin-key-of-the-operator';
let root: string;
let supernode: Supernode;

async function start(name: string, env: Record<string, string> = {}): Promise<Supernode> {
  const dataDir = path.join(root, name);
  if (!existsSync(dataDir)) await seedDataFolder(dataDir);
  return createSupernode(testConfig({ SUPERNODE_DATA_DIR: dataDir, SUPERNODE_ADMIN_KEY: KEY, ...env }));
}

beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'parley-supernode-'));
  supernode = await start('main', { SUPERNODE_HOST: '127.0.0.1,::1' });
});
afterAll(async () => {
  await supernode.stop();
  await rm(root, { recursive: true, force: true });
});

async function status(base: string, route: string): Promise<number> {
  return (await fetch(base + route, { headers: { authorization: `Bearer ${KEY}` } })).status;
}

describe('createSupernode', () => {
  it('serves health on the edge listener', async () => {
    const live = await fetch(`${supernode.addresses.edge}/health/live`);
    const ready = await fetch(`${supernode.addresses.edge}/health/ready`);

    expect([live.status, await live.json()]).toEqual([200, { status: 'live' }]);
    expect(ready.status).toBe(200);
    expect(await ready.json()).toMatchObject({
      status: 'ready',
      checks: expect.arrayContaining([{ name: 'database', status: 'up' }]),
    });
  });

  it('serves every address that it is told to bind', async () => {
    const overIpv6 = supernode.addresses.edge.replace('127.0.0.1', '[::1]');

    expect(await status(overIpv6, '/health/live')).toBe(200);
  });

  it('keeps admin routes off the edge listener and edge routes off the admin listener', async () => {
    const { edge, admin } = supernode.addresses;
    const adminRoutes = ['/v1/admin-keys', '/metrics', '/v1/openapi.json'];

    expect(await Promise.all(adminRoutes.map((route) => status(admin, route)))).toEqual([200, 200, 200]);
    expect(await Promise.all(adminRoutes.map((route) => status(edge, route)))).toEqual([404, 404, 404]);
    expect(await status(edge, '/v1/presence')).toBe(404);
    expect(await status(admin, '/health/ready')).toBe(404);
  });

  it('goes on when its database is killed, and serves it again by itself', async () => {
    const other = await start('killed');
    const { edge, admin } = other.addresses;
    const pidFile = path.join(root, 'killed/postgres/postmaster.pid');
    const serverPid = async () => Number((await readFile(pidFile, 'utf8').catch(() => '')).split('\n')[0]);
    const killed = await serverPid();

    process.kill(killed, 'SIGKILL');
    // The test's own limit is the deadline.
    while ([killed, 0].includes(await serverPid())) await status(edge, '/health/live');
    while ((await status(edge, '/health/ready')) !== 200);

    expect(await status(admin, '/v1/admin-keys')).toBe(200);
    await other.stop();
  });

  it('refuses a data folder in use, and frees all that it took', async () => {
    await expect(start('main')).rejects.toMatchObject({ code: 'SN_DATA_FOLDER_LOCKED' });
    expect(await status(supernode.addresses.edge, '/health/ready')).toBe(200);
  });

  it('refuses a port in use, names the setting, and leaves the data folder free', async () => {
    const port = new URL(supernode.addresses.edge).port;
    const taken = start('taken', { SUPERNODE_EDGE_PORT: port });

    await expect(taken).rejects.toMatchObject({
      code: 'SN_LISTEN_FAILED',
      message: `SUPERNODE_EDGE_PORT: cannot listen on 127.0.0.1 port ${port}: the port is in use`,
    });
    await (await start('taken')).stop();
  });

  it('stops within its drain time though a client never ends its request', async () => {
    const other = await start('drain', { SUPERNODE_DRAIN_SECONDS: '0' });
    const { hostname, port } = new URL(other.addresses.edge);
    const client = connect(Number(port), hostname);
    await once(client, 'connect');
    client.write('POST /health/live HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n');
    const ended = new Promise((resolve) => client.once('error', resolve).once('close', resolve));

    await Promise.all([other.stop(), other.stop()]);

    await ended;
    await expect(fetch(`${other.addresses.admin}/metrics`)).rejects.toThrow();
  });
});
