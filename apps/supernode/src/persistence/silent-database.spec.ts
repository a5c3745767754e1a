import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { startEmbeddedPostgres, type EmbeddedPostgres } from './embedded/embedded-postgres.ts';
import { PrismaService } from './prisma.service.ts';
import { isStoreUnavailable } from './store-unavailable.ts';

const LIMITS = { connectMs: 2_000, statementMs: 2_000 };

describe('a database that falls silent', () => {
  let folder: string;
  let postgres: EmbeddedPostgres;
  let way: Server;
  let prisma: PrismaService;
  const sockets = new Set<Socket>();
  /** Whether new connections lead to the server, as after a failover, or nowhere. */
  let leads = true;

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'parley-silent-'));
    postgres = await startEmbeddedPostgres({ dataFolder: folder, isDurable: false });
    const { superuser } = postgres;
    leads = true;
    way = createServer((near) => {
      sockets.add(near.on('error', () => undefined));
      if (!leads) return;
      const far = connect(path.join(superuser.host, `.s.PGSQL.${superuser.port}`));
      sockets.add(far.on('error', () => undefined));
      near.pipe(far).pipe(near);
    }).listen(0, '127.0.0.1');
    await once(way, 'listening');
    const { port } = way.address() as AddressInfo;
    prisma = new PrismaService({ ...superuser, host: '127.0.0.1', port }, LIMITS);
  }, 60_000);

  afterEach(async () => {
    await prisma.$disconnect();
    for (const socket of sockets) socket.destroy();
    sockets.clear();
    way.close();
    await postgres.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const ask = () => prisma.$queryRaw`SELECT 1 AS one`;
  const failureOf = (work: Promise<unknown>) =>
    work.then(
      () => undefined,
      (error: unknown) => error,
    );

  it('is told as one that is away, and left for the server that answers in its place', async () => {
    expect(await ask()).toEqual([{ one: 1 }]);
    leads = false;
    for (const socket of sockets) socket.unpipe().pause();

    // The connection that stands, then one that does not come to stand.
    for (let attempt = 0; attempt < 2; attempt += 1) {
      const failure = await failureOf(ask());
      expect(failure).toBeDefined();
      expect(isStoreUnavailable(failure)).toBe(true);
    }

    leads = true;
    expect(await ask()).toEqual([{ one: 1 }]);
  }, 30_000);
});
