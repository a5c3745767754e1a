import type { AddressInfo } from 'node:net';
import type { INestApplication, LoggerService } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import {
  DEFAULT_TENANT,
  handleSchema,
  type AuthenticationProof,
  type RelayCredentials,
  type Signed,
  type Welcome,
} from '@parley/protocol';
import { ClusterModule } from '../../cluster/cluster.module.ts';
import { RedisModule } from '../../redis/redis.module.ts';
import { OwnAddresses } from '../../cluster/own-addresses.ts';
import { OWNERSHIP } from '../../cluster/ownership.port.ts';
import { ConfigModule } from '../../config/config.module.ts';
import { testConfig } from '../../config/testing/test-config.ts';
import type { DeviceAddress } from '../../identity/caller.ts';
import { SupernodeError } from '../../errors.ts';
import { sha256 } from '../../identity/digest.ts';
import { IdentityModule } from '../../identity/identity.module.ts';
import { SigningAccount, SigningDevice, type SigningKey } from '../../identity/testing/signing-device.ts';
import { HealthRegistry } from '../../observability/health-registry.ts';
import { createLogger } from '../../observability/logger.ts';
import { Metrics } from '../../observability/metrics.ts';
import { ObservabilityModule } from '../../observability/observability.module.ts';
import { DatabaseModule } from '../../persistence/database.module.ts';
import { ensureDefaultTenant } from '../../persistence/default-tenant.ts';
import { openTestDatabase, type TestDatabase } from '../../persistence/testing/test-database.ts';
import { ConnectionAdmission } from '../connection-admission.ts';
import type { ConnectionObserver } from '../connection-observer.port.ts';
import { DeviceChannels } from '../device-channels.ts';
import { EdgeIoAdapter, type Heartbeat } from '../edge-io-adapter.ts';
import { GatewayModule } from '../gateway.module.ts';
import { RELAY_ACCESS, type RelayAccess } from '../relay-access.port.ts';
import { MemoryResumeStore } from '../resume-store.memory.ts';
import { RESUME_STORE, type ResumeStore } from '../resume-store.port.ts';
import { EdgeConnection, solve } from './edge-connection.ts';
import { MovableRoster, type MovableOwnership } from './movable-ownership.ts';

/** Faults of the supernode are asserted by their answer; the log of a test run stays readable. */
const QUIET: LoggerService = { log: () => undefined, warn: () => undefined, error: () => undefined };

const CREDENTIALS: RelayCredentials = {
  username: '1:id',
  password: 'secret',
  realm: 'parley',
  ttlSeconds: 60,
  servers: ['127.0.0.1:3478'],
};

/** A registered account with one device and its first access token. */
export interface RegisteredUser {
  readonly account: SigningAccount;
  readonly device: SigningDevice;
  readonly token: string;
}

/** A device that is signed in on a connection. */
export interface SignedInUser extends RegisteredUser {
  readonly connection: EdgeConnection;
  readonly welcome: Welcome;
}

/** What several harnesses share, so that each is a supernode of one cluster. */
export interface ClusterOfHarnesses {
  readonly ownership: MovableOwnership;
  readonly database: TestDatabase;
  readonly resumeStore?: ResumeStore;
  readonly isRelaying?: () => boolean;
}

/** The gateway with all that it serves, on a real database and a real socket, without STUN and TURN. */
export class EdgeHarness {
  /** What the gateway told its observers, as `what device-id detail`. */
  readonly observed: string[] = [];
  readonly revokedRelays: DeviceAddress[] = [];
  private readonly connections: EdgeConnection[] = [];

  private constructor(
    readonly app: INestApplication,
    readonly database: TestDatabase,
    readonly metrics: Metrics,
    readonly url: string,
  ) {}

  static async start(
    env: Record<string, string> = {},
    heartbeat?: Heartbeat,
    cluster?: ClusterOfHarnesses,
  ): Promise<EdgeHarness> {
    const config = testConfig({ SUPERNODE_ROLES: 'index', ...env });
    const database = cluster?.database ?? (await openTestDatabase());
    await ensureDefaultTenant(database.prisma, config.identity, config.presence);
    const metrics = new Metrics({ withProcess: false });
    const revoked: DeviceAddress[] = [];
    const relay: RelayAccess = {
      stunServers: () => ['127.0.0.1:3478'],
      issue: () => Promise.resolve(CREDENTIALS),
      openFlow: () => undefined,
      isRelaying: () => Promise.resolve(cluster?.isRelaying?.() ?? false),
      revoke: (device) => Promise.resolve(void revoked.push(device)),
    };
    const ownership = cluster?.ownership ?? new MovableRoster().join('alone');
    const testing = await Test.createTestingModule({
      imports: [
        ConfigModule.forRoot(config),
        ObservabilityModule.forRoot({
          logger: createLogger(config.log),
          metrics,
          health: new HealthRegistry(),
        }),
        DatabaseModule.forRoot(database),
        RedisModule.forRoot(undefined),
        ClusterModule.forRoot(config, 'alone', undefined),
        IdentityModule,
        GatewayModule,
      ],
    })
      .overrideProvider(RELAY_ACCESS)
      .useValue(relay)
      .overrideProvider(OWNERSHIP)
      .useValue(ownership)
      .overrideProvider(OwnAddresses)
      .useValue(ownership.addresses)
      .overrideProvider(RESUME_STORE)
      .useValue(cluster?.resumeStore ?? new MemoryResumeStore())
      .setLogger(QUIET)
      .compile();
    const app = testing.createNestApplication();
    app.useWebSocketAdapter(new EdgeIoAdapter(app, heartbeat));
    await app.listen(0, '127.0.0.1');
    const { port } = (app.getHttpServer() as { address(): AddressInfo }).address();
    const harness = new EdgeHarness(app, database, metrics, `http://127.0.0.1:${port}`);
    ownership.publish(harness.url);
    revoked.push = (...devices) => harness.revokedRelays.push(...devices);
    app.get(DeviceChannels, { strict: false }).subscribe(harness.recorder());
    return harness;
  }

  get channels(): DeviceChannels {
    return this.app.get(DeviceChannels, { strict: false });
  }

  async connect(options?: Parameters<typeof EdgeConnection.open>[1]): Promise<EdgeConnection> {
    const connection = await EdgeConnection.open(this.url, options);
    this.connections.push(connection);
    return connection;
  }

  /** Registers a new account with one device. */
  async register(handle: string, connection?: EdgeConnection): Promise<RegisteredUser> {
    const device = new SigningDevice();
    const account = new SigningAccount();
    const { token } = await this.registerAs(device, account, handle, connection ?? (await this.connect()));
    return { account, device, token };
  }

  async registerAs(
    device: SigningDevice,
    account: SigningAccount,
    handle: string,
    connection: EdgeConnection,
  ): Promise<{ token: string }> {
    const puzzle = await connection.request('register.puzzle', { tenant: account.tenant });
    const challenge = await connection.challenge();
    return connection.request('register', {
      puzzle: solve(puzzle),
      proof: device.prove(challenge, 'register', { tenant: account.tenant }),
      handle: handleSchema.parse(handle),
      deviceList: account.next([device]),
    });
  }

  async signIn(user: RegisteredUser): Promise<SignedInUser> {
    const connection = await this.connect();
    const welcome = await this.authenticate(connection, user);
    return { ...user, connection, welcome };
  }

  async authenticate(
    connection: EdgeConnection,
    { device, token, account }: RegisteredUser,
  ): Promise<Welcome> {
    const proof = device.prove(await connection.challenge(), 'authenticate', {
      token,
      tenant: account.tenant,
    });
    return connection.request('authenticate', { token, proof });
  }

  async registerAndSignIn(handle: string): Promise<SignedInUser> {
    return this.signIn(await this.register(handle));
  }

  /** Connections that the gateway has now. */
  get connectionCount(): number {
    return this.app.get(ConnectionAdmission, { strict: false }).connections;
  }

  /** How much the gateway dropped for a reason. */
  async drops(reason: string): Promise<number> {
    const pattern = new RegExp(`parley_drops_total[{][^}]*reason="${reason}"[^}]*[}] (\\d+)`);
    return Number(pattern.exec((await this.metrics.exposition()).body)?.[1] ?? 0);
  }

  /** The value of a metric without labels. */
  async metric(name: string): Promise<number> {
    const pattern = new RegExp(`^${name} (\\d+)$`, 'm');
    return Number(pattern.exec((await this.metrics.exposition()).body)?.[1] ?? 0);
  }

  /** Waits for something that a broken connection brings about. */
  async settled(isDone: () => boolean): Promise<void> {
    const deadline = Date.now() + 20_000;
    while (!isDone()) {
      if (Date.now() > deadline) throw new SupernodeError('SN_INVARIANT', 'it did not settle in time');
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** A proof by any key, as for a recovery key that is no device. */
  async proofBy(
    connection: EdgeConnection,
    key: SigningKey,
    purpose: AuthenticationProof['purpose'],
  ): Promise<Signed> {
    const { clusterId, serverId, nonce } = await connection.challenge();
    const proof = {
      purpose,
      clusterId,
      serverId,
      nonce,
      tenant: DEFAULT_TENANT,
      tokenHash: sha256(''),
      deviceKey: key.key,
    };
    return key.sign('authentication', proof);
  }

  closeConnections(): void {
    for (const connection of this.connections.splice(0)) connection.close();
  }

  async stop(): Promise<void> {
    this.closeConnections();
    await this.app.close();
    await this.database.close();
  }

  private recorder(): ConnectionObserver {
    return {
      deviceReachable: ({ deviceId }, how) => void this.observed.push(`reachable ${deviceId} ${how}`),
      deviceUnreachable: ({ deviceId }) => void this.observed.push(`unreachable ${deviceId}`),
      deviceMoved: ({ deviceId }) => void this.observed.push(`moved ${deviceId}`),
      deviceGone: ({ deviceId }, cause) => void this.observed.push(`gone ${deviceId} ${cause}`),
    };
  }
}
