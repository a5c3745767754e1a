import type { Server as HttpServer } from 'node:http';
import { NestFactory } from '@nestjs/core';
import type { INestApplication } from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { formatTransportAddress } from '@parley/nat';
import helmet from 'helmet';
import { AdminKeysService } from './admin/admin-keys.service.ts';
import { createAdminApplication } from './admin/create-admin-application.ts';
import { AppModule, type Runtime } from './app.module.ts';
import { systemClock } from './clock/system-clock.ts';
import { advertisedAddresses } from './cluster/advertised-addresses.ts';
import type { ClusterMembership } from './cluster/cluster.module.ts';
import type { KnownAddresses } from './cluster/cluster-runtime.ts';
import { nodeIdOf } from './cluster/node-identity.ts';
import type { NodeId } from './cluster/node-record.ts';
import type { Config, StorageConfig } from './config/config.schema.ts';
import { EdgeIoAdapter } from './gateway/edge-io-adapter.ts';
import { clusterIdOf } from './identity/cluster-identity.ts';
import { listenOn } from './listeners.ts';
import { hostAddresses } from './nat/relay-settings.ts';
import type { StunListeners } from './nat/stun-listeners.port.ts';
import { HealthRegistry } from './observability/health-registry.ts';
import { createLogger } from './observability/logger.ts';
import { Metrics } from './observability/metrics.ts';
import { nestOptions } from './observability/nest-logger.ts';
import type { Observability } from './observability/observability.module.ts';
import { PrismaAdminKeyRepository } from './persistence/admin-key.prisma.ts';
import { openDatabase, type Database, type DatabaseOptions } from './persistence/database.ts';
import { ensureDefaultTenant } from './persistence/default-tenant.ts';
import { PrismaKeyringStore } from './persistence/keyring.prisma.ts';
import { outrankSoleTenures } from './persistence/presence-epoch.prisma.ts';
import { PrismaRosterStore } from './persistence/roster-store.prisma.ts';
import { openSharedState } from './redis/open-shared-state.ts';
import { RolePorts } from './role-ports.ts';
import { openTlsPort } from './tls-port.ts';

/** A supernode that serves. */
export interface Supernode {
  /** What was really bound, as the ready line says it. */
  readonly addresses: SupernodeAddresses;
  /** Its name among the supernodes of a cluster, and in the logs. */
  readonly nodeId: NodeId;
  /** The application for edge clients, for tests that look inside. */
  readonly app: INestApplication;
  /** Drains, closes listeners, stops modules, then the database; safe to call twice. */
  stop(): Promise<void>;
}

export interface SupernodeAddresses {
  readonly edge: string;
  readonly admin: string;
  /** `address:port` of the main UDP listener; null without the relay role. */
  readonly stun: string | null;
  /** The edge gateway, and TURN with the relay role, over TLS, where a certificate is configured. */
  readonly tls?: string;
}

/**
 * Starts a supernode: database and migrations first, then the application for edge clients, then the admin API. What
 * was started is stopped again where a later step fails.
 *
 * @throws SupernodeError with every code of a start
 */
export async function createSupernode(config: Config): Promise<Supernode> {
  const logger = createLogger(config.log);
  const health = new HealthRegistry(undefined, config.cluster.roles);
  const observability: Observability = { logger, metrics: new Metrics(), health };
  const undo: (() => Promise<void>)[] = [];
  const stopAll = async (): Promise<void> => {
    for (let step = undo.pop(); step !== undefined; step = undo.pop()) await step();
  };
  try {
    const database = await openDatabase(databaseOptions(config.storage));
    undo.push(() => database.close());
    watchDatabase(database, observability);
    await ensureDefaultTenant(database.prisma, config.identity, config.presence);

    const { nodeId, membership } = await prepareMembership(config, database, observability);
    if (membership !== undefined) {
      undo.push(() => {
        membership.shared.connection.close();
        return Promise.resolve();
      });
    }
    const app = await buildEdgeApplication({ config, database, observability, nodeId, membership });
    // After the last client has left, since until then there may be something to write for it.
    undo.push(async () => app.get(RolePorts).cluster?.leave());
    undo.push(() => closeApplication(app, config.edge.drainSeconds));
    await app.init();
    const ports = app.get(RolePorts);

    const admin = await createAdminApplication({
      logger,
      metrics: observability.metrics,
      clock: systemClock,
      adminKeys: new PrismaAdminKeyRepository(database.prisma),
      presence: ports.presence,
      cluster: ports.clusterAdmin,
    });
    undo.push(() => closeApplication(admin, config.edge.drainSeconds));
    await admin
      .get(AdminKeysService)
      .applyBootstrapKey(config.admin.bootstrapKey, config.storage.redisUrl !== undefined);

    // Clients are let in last, when everything that serves them is there.
    const adminUrls = await listenOn(admin.getHttpServer(), {
      hosts: [config.admin.host],
      port: config.admin.port,
      setting: 'SUPERNODE_ADMIN_PORT',
    });
    const edgeUrls = await listenOn(app.getHttpServer(), {
      hosts: config.edge.hosts,
      port: config.edge.port,
      setting: 'SUPERNODE_EDGE_PORT',
      maxConnections: tcpConnections(config.edge),
    });
    const tls = await openTlsPort(config, {
      http: app.getHttpServer(),
      stun: ports.stun,
      logger,
      metrics: observability.metrics,
      maxConnections: tcpConnections(config.edge),
    });
    if (tls !== undefined) undo.push(() => tls.close());
    const addresses: SupernodeAddresses = {
      edge: edgeUrls[0],
      admin: adminUrls[0],
      stun: mainStunAddress(ports.stun),
      ...(tls === undefined ? {} : { tls: tls.urls[0] }),
    };
    await joinCluster(ports, config, { boundEdge: edgeUrls[0], stun: visibleStunAddress(ports.stun) });
    logger.info({ ...addresses, edge: edgeUrls, nodeId }, 'supernode ready');
    undo.push(async () => {
      observability.health.startDraining();
      // Until others have the slots, clients that come would find nobody at home.
      await ports.cluster?.giveUpSlots(config.edge.drainSeconds * 1000 * HAND_OVER_SHARE);
    });
    let stopping: Promise<void> | undefined;
    return {
      app,
      addresses,
      nodeId,
      stop: () => (stopping ??= stopAll().then(() => logger.info('supernode stopped'))),
    };
  } catch (error) {
    await stopAll();
    throw error;
  }
}

/** Whether this supernode is one of a cluster: with REDIS_URL it is, and has a number for this start. */
async function prepareMembership(
  { cluster, storage }: Config,
  { prisma }: Database,
  observability: Observability,
): Promise<{ nodeId: NodeId; membership: ClusterMembership | undefined }> {
  const nodeId = nodeIdOf(cluster);
  const { redisUrl, redisCaFile } = storage;
  if (redisUrl === undefined) return { nodeId, membership: undefined };
  const clusterId = await clusterIdOf(new PrismaKeyringStore(prisma));
  const shared = await openSharedState({ redisUrl, redisCaFile }, clusterId, observability);
  try {
    await outrankSoleTenures(prisma);
    const incarnation = await new PrismaRosterStore(prisma).nextIncarnation();
    return { nodeId, membership: { member: { nodeId, incarnation, clusterId }, shared } };
  } catch (error) {
    shared.connection.close();
    throw error;
  }
}

/** Says how this supernode can be reached, and in a cluster joins the others. */
async function joinCluster(
  { addresses, cluster }: RolePorts,
  config: Config,
  bound: Pick<KnownAddresses, 'boundEdge' | 'stun'>,
): Promise<void> {
  const known: KnownAddresses = {
    ...bound,
    edgeUrl: config.cluster.edgeUrl,
    publicAddress: config.edge.publicAddress,
    hostAddresses: hostAddresses(),
  };
  if (cluster !== undefined) await cluster.start(known);
  else addresses.publish(advertisedAddresses({ ...known, reflexiveAddress: undefined }));
}

async function buildEdgeApplication(runtime: Runtime): Promise<NestExpressApplication> {
  // The edge listener takes no request bodies: messages come over the gateway.
  const options = nestOptions(runtime.observability.logger, false);
  const app = await NestFactory.create<NestExpressApplication>(AppModule.forRoot(runtime), options);
  app.disable('x-powered-by');
  app.set('trust proxy', runtime.config.edge.trustProxy);
  app.use(helmet({ strictTransportSecurity: false })); // this listener speaks plain HTTP
  app.useWebSocketAdapter(new EdgeIoAdapter(app));
  return app;
}

/** Nest waits for open requests; a client that never ends one must not keep the supernode from stopping. */
async function closeApplication(app: NestExpressApplication, limitSeconds: number): Promise<void> {
  const server: HttpServer = app.getHttpServer();
  const limit = setTimeout(() => server.closeAllConnections(), limitSeconds * 1000);
  try {
    await app.close();
  } finally {
    clearTimeout(limit);
  }
}

function databaseOptions({ databaseUrl, dataDir }: StorageConfig): DatabaseOptions {
  return databaseUrl === undefined ? { dataFolder: dataDir } : { url: databaseUrl };
}

function watchDatabase(database: Database, { logger, metrics, health }: Observability): void {
  const { mode, appliedMigrations, recoveredFrom } = database;
  logger.info({ mode, appliedMigrations, recoveredFrom }, 'database open');
  const interruptions = metrics.counter(
    'database_interruptions_total',
    'Unexpected ends of the embedded database',
    ['outcome'],
  );
  database.onInterruption((outcome) => {
    interruptions.inc({ outcome });
    if (outcome === 'restarted')
      logger.warn('the embedded database ended unexpectedly and was started again');
    else
      logger.error(
        'the embedded database ended and does not start again; see postgres.log in the data folder',
      );
  });
  health.register({
    name: 'database',
    check: async () => {
      await database.prisma.$queryRaw`SELECT 1`;
    },
  });
}

/** Of the drain time: so long a stopping supernode waits for others to take its slots. */
const HAND_OVER_SHARE = 0.5;

/** Beyond the edge clients: health checks, and what is refused before it becomes a client. */
const FURTHER_CONNECTIONS = 256;

/** Whoever only connects, or asks for health and stays, must not use up the descriptors of the process. */
function tcpConnections({ maxConnections }: Config['edge']): number {
  return maxConnections + FURTHER_CONNECTIONS;
}

/** As others are told of it. */
function visibleStunAddress(stun: StunListeners | undefined): string | null {
  const [main] = stun?.addresses() ?? [];
  return main === undefined ? null : formatTransportAddress(main);
}

function mainStunAddress(stun: StunListeners | undefined): string | null {
  const [main] = stun?.listening() ?? [];
  return main === undefined ? null : formatTransportAddress(main);
}
