import type { AddressInfo } from 'node:net';
import type { INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { handleSchema, type RelayCredentials, type Welcome } from '@parley/protocol';
import { ConfigModule } from '../../config/config.module.ts';
import { testConfig } from '../../config/testing/test-config.ts';
import type { DeviceAddress } from '../../identity/caller.ts';
import { IdentityModule } from '../../identity/identity.module.ts';
import { SigningAccount, SigningDevice } from '../../identity/testing/signing-device.ts';
import { HealthRegistry } from '../../observability/health-registry.ts';
import { createLogger } from '../../observability/logger.ts';
import { Metrics } from '../../observability/metrics.ts';
import { ObservabilityModule } from '../../observability/observability.module.ts';
import { DatabaseModule } from '../../persistence/database.module.ts';
import { ensureDefaultTenant } from '../../persistence/default-tenant.ts';
import { openTestDatabase, type TestDatabase } from '../../persistence/testing/test-database.ts';
import type { ConnectionObserver } from '../connection-observer.port.ts';
import { DeviceChannels } from '../device-channels.ts';
import { EdgeIoAdapter } from '../edge-io-adapter.ts';
import { GatewayModule } from '../gateway.module.ts';
import { RELAY_ACCESS, type RelayAccess } from '../relay-access.port.ts';
import { EdgeConnection, solve } from './edge-connection.ts';

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

  static async start(env: Record<string, string> = {}): Promise<EdgeHarness> {
    const config = testConfig(env);
    const database = await openTestDatabase();
    await ensureDefaultTenant(database.prisma, config.identity, config.presence);
    const metrics = new Metrics({ withProcess: false });
    const revoked: DeviceAddress[] = [];
    const relay: RelayAccess = {
      stunServers: () => ['127.0.0.1:3478'],
      issue: () => Promise.resolve(CREDENTIALS),
      revoke: (device) => Promise.resolve(void revoked.push(device)),
    };
    const testing = await Test.createTestingModule({
      imports: [
        ConfigModule.forRoot(config),
        ObservabilityModule.forRoot({
          logger: createLogger(config.log),
          metrics,
          health: new HealthRegistry(),
        }),
        DatabaseModule.forRoot({
          prisma: database.prisma,
          mode: 'embedded',
          appliedMigrations: [],
          recoveredFrom: 'none',
          onLost: () => undefined,
          close: () => database.close(),
        }),
        IdentityModule,
        GatewayModule,
      ],
    })
      .overrideProvider(RELAY_ACCESS)
      .useValue(relay)
      .compile();
    const app = testing.createNestApplication({ logger: false });
    app.useWebSocketAdapter(new EdgeIoAdapter(app));
    await app.listen(0, '127.0.0.1');
    const { port } = (app.getHttpServer() as { address(): AddressInfo }).address();
    const harness = new EdgeHarness(app, database, metrics, `http://127.0.0.1:${port}`);
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

  async stop(): Promise<void> {
    for (const connection of this.connections) connection.close();
    await this.app.close();
    await this.database.close();
  }

  private recorder(): ConnectionObserver {
    return {
      deviceReachable: ({ deviceId }, how) => void this.observed.push(`reachable ${deviceId} ${how}`),
      deviceUnreachable: ({ deviceId }) => void this.observed.push(`unreachable ${deviceId}`),
      deviceGone: ({ deviceId }, cause) => void this.observed.push(`gone ${deviceId} ${cause}`),
    };
  }
}
