import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Test } from '@nestjs/testing';
import {
  FlowRegistration,
  TurnClient,
  instant,
  transportAddress,
  type FlowRegistrationOutput,
  type TurnClientOutput,
} from '@parley/nat';
import { nodeCrypto, type TurnServerControl } from '@parley/nat/node';
import { decodeBase64url, type DeviceId, type TenantId, type UserId } from '@parley/protocol';
import { BackgroundTasks } from '../background-tasks.ts';
import { ManualTime } from '../clock/testing/manual-time.ts';
import { OWNERSHIP } from '../cluster/ownership.port.ts';
import { ConfigModule } from '../config/config.module.ts';
import { testConfig } from '../config/testing/test-config.ts';
import { RELAY_ACCESS, type RelayAccess } from '../gateway/relay-access.port.ts';
import { HealthRegistry } from '../observability/health-registry.ts';
import { createLogger } from '../observability/logger.ts';
import { Metrics } from '../observability/metrics.ts';
import { ObservabilityModule } from '../observability/observability.module.ts';
import { FlowRegistry } from './flow-registry.ts';
import { NatModule } from './nat.module.ts';
import { NatService } from './nat.service.ts';
import type { RelaySupervisor } from './relay-supervisor.ts';
import { RELAY_THREAD_FACTORY, type RelayThreadFactory } from './relay-thread.port.ts';
import { startRelayThread } from './start-relay-thread.ts';
import { STUN_LISTENERS, type StunListeners } from './stun-listeners.port.ts';
import { tenantRefOf } from './turn-credential-ids.ts';
import { TurnCredentials } from './turn-credentials.ts';
import { TURN_SECRETS, type TurnSecrets } from './turn-secrets.port.ts';
import { WorkerRelayThread } from './worker-relay-thread.ts';

const OWNER = { tenantId: 'default', userId: 'u1', deviceId: 'd1' };
const DEVICE = { tenant: 'default' as TenantId, userId: 'u1' as UserId, deviceId: 'd1' as DeviceId };
const WORKER = new URL('../../dist/nat/relay.worker.js', import.meta.url);

const inWorker: RelayThreadFactory = (settings, observer) => {
  if (!existsSync(fileURLToPath(WORKER)))
    throw new RangeError('The worker is not compiled: run npm run build.');
  return new WorkerRelayThread(WORKER, settings, observer);
};

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (let close = closing.pop(); close !== undefined; close = closing.pop()) await close();
});

/** Another supernode of the cluster relays too. */
const others = { offered: ['192.0.2.2:3478'], known: [] as string[] };
const OWNED = {
  provide: OWNERSHIP,
  useValue: { otherRelaysOf: () => others.offered, relayAddresses: () => others.known },
};

class OwnershipStub {}

async function start(factory: RelayThreadFactory, env: Record<string, string> = {}) {
  const config = testConfig({ SUPERNODE_TURN_REALM: 'nat.example', ...env });
  const secrets: TurnSecrets = {
    all: () => Promise.resolve([{ tenantId: 'default', secret: 'default secret' }]),
    find: () => Promise.resolve(undefined),
  };
  const metrics = new Metrics({ withProcess: false });
  const health = new HealthRegistry();
  const testing = await Test.createTestingModule({
    imports: [
      ConfigModule.forRoot(config),
      ObservabilityModule.forRoot({ logger: createLogger({ level: 'fatal' }), metrics, health }),
      { module: OwnershipStub, global: true, providers: [OWNED], exports: [OWNED] },
      NatModule,
    ],
  })
    .overrideProvider(TURN_SECRETS)
    .useValue(secrets)
    .overrideProvider(RELAY_THREAD_FACTORY)
    .useValue(factory)
    .compile();
  await testing.init();
  closing.push(() => testing.close());
  return { nat: testing.get(NatService), testing, metrics, health };
}

/** Allocates with the credential and gives the socket, the client core and the first outputs that are not sends. */
async function allocate(
  nat: NatService,
): Promise<{ client: TurnClient; ended: Promise<TurnClientOutput>; socket: Socket }> {
  const access = await nat.issueCredential(OWNER);
  const [server] = nat.addresses();
  if (access === undefined || server === undefined) throw new RangeError('no relay');
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  closing.push(() => new Promise<void>((resolve) => socket.close(() => resolve())));
  const client = new TurnClient({ server, credential: access, crypto: nodeCrypto });
  const seen: TurnClientOutput[] = [];
  let wake: () => void = () => undefined;
  const perform = (outputs: readonly TurnClientOutput[]): void => {
    for (const output of outputs) {
      if (output.kind === 'send') socket.send(output.bytes, server.port, server.address);
      else seen.push(output);
    }
    wake();
  };
  const next = async (): Promise<TurnClientOutput> => {
    while (seen.length === 0) await new Promise<void>((resolve) => (wake = resolve));
    return seen.shift() as TurnClientOutput;
  };
  const now = () => instant(performance.now());
  socket.on('message', (bytes) => perform(client.handle({ kind: 'datagram', bytes }, now())));
  perform(client.handle({ kind: 'allocate' }, now()));
  expect(await next()).toMatchObject({ kind: 'allocated' });
  const ended = (async () => {
    perform(client.handle({ kind: 'permit', peer: transportAddress('127.0.0.1', 5000) }, now()));
    return next();
  })();
  return { client, ended, socket };
}

/** Registers the flow of the device at the supernode's port; resolves when the main thread knows where the device is. */
async function register(nat: NatService, flows: FlowRegistry): Promise<void> {
  const credentials = nat.openFlow(DEVICE, 'request');
  const [server] = nat.addresses();
  if (!credentials || !server) throw new RangeError('no flow');
  const [flowId, key] = [credentials.id, credentials.key].map((text) => decodeBase64url(text)!);
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  closing.push(() => new Promise<void>((resolve) => socket.close(() => resolve())));
  const core = new FlowRegistration({ crypto: nodeCrypto, lane: 0, flowId: flowId!, key: key! });
  const perform = (outputs: readonly FlowRegistrationOutput[]): void => {
    for (const output of outputs)
      if (output.kind === 'send') socket.send(output.bytes, server.port, server.address);
  };
  const now = () => instant(performance.now());
  socket.on('message', (bytes) => perform(core.handle({ kind: 'datagram', bytes }, now())));
  perform(core.handle({ kind: 'start' }, now()));
  while (flows.observedAddresses(DEVICE).length === 0) await new Promise((resolve) => setImmediate(resolve));
}

describe.each([
  ['in process', startRelayThread],
  ['in its worker thread', inWorker],
])('NatService %s', (_name, factory) => {
  it('serves STUN and TURN to the credentials that it issues', async () => {
    const { nat, testing } = await start(factory);
    await nat.ready();
    const [{ port } = { port: 0 }] = nat.addresses();

    const access = await nat.issueCredential(OWNER);
    const { ended } = await allocate(nat);

    expect(access).toMatchObject({
      realm: 'nat.example',
      ttlSeconds: 3600,
      uris: [
        `stun:127.0.0.1:${port}`,
        `turn:127.0.0.1:${port}?transport=udp`,
        `turn:127.0.0.1:${port}?transport=tcp`,
      ],
    });
    expect(testing.get<StunListeners>(STUN_LISTENERS).listening()).toEqual([
      transportAddress('127.0.0.1', port),
    ]);
    expect(await ended).toMatchObject({ kind: 'permitted' });
    expect(await nat.stats()).toMatchObject({ turn: { allocations: 1 } });
  });

  it('gives the gateway what devices are told, and takes it away from a removed device', async () => {
    const { nat, testing } = await start(factory);
    const relay = testing.get<RelayAccess>(RELAY_ACCESS);
    await allocate(nat);

    expect(await relay.issue(DEVICE)).toMatchObject({
      realm: 'nat.example',
      ttlSeconds: 3600,
      backups: ['192.0.2.2:3478'],
      servers: relay.stunServers(DEVICE).flatMap((server) => [server, `turn:${server}?transport=tcp`]),
    });
    await relay.revoke(DEVICE);

    expect(await nat.stats()).toMatchObject({ turn: { allocations: 0 } });
    const { ended } = await allocate(nat);
    expect(await ended).toMatchObject({ kind: 'permitted' });
  });

  it('registers the flow of a device and knows where it is, until the device is revoked', async () => {
    const { nat, testing } = await start(factory);
    const flows = testing.get(FlowRegistry);
    await register(nat, flows);

    expect(flows.observedAddresses(DEVICE)).toEqual(['127.0.0.1']);
    expect(await nat.stats()).toMatchObject({ flow: { flows: 1, registeredFlows: 1, drops: {} } });
    await nat.revoke(DEVICE);
    expect(flows.observedAddresses(DEVICE)).toEqual([]);
    expect(await nat.stats()).toMatchObject({ flow: { flows: 0 } });
  });

  it('names its alternate address for STUN, and for STUN only', async () => {
    const { nat, testing } = await start(factory, { SUPERNODE_ALT_ADDRESS: '127.0.0.2' });
    const relay = testing.get<RelayAccess>(RELAY_ACCESS);
    const [{ port } = { port: 0 }] = nat.addresses();
    const issued = await relay.issue(DEVICE);

    expect(relay.stunServers(DEVICE)).toEqual([`127.0.0.1:${port}`, `127.0.0.2:${port}`]);
    expect(issued?.servers.some((server) => server.includes('127.0.0.2'))).toBe(false);
    expect((await nat.issueCredential(OWNER))?.uris.join(' ')).not.toContain('127.0.0.2');
  });

  it('shows its counters to operators', async () => {
    const { nat, metrics, health } = await start(factory);
    await allocate(nat);

    const { body } = await metrics.exposition();

    expect(body).toContain('parley_relay_allocations 1');
    expect(await health.report()).toMatchObject({
      status: 'ready',
      checks: [{ name: 'relay', status: 'up' }],
    });
  });

  it('refuses to start where the port is taken', async () => {
    const { nat } = await start(factory);
    const [{ port } = { port: 0 }] = nat.addresses();

    await expect(
      start(factory, { SUPERNODE_STUN_PORT: String(port), SUPERNODE_RELAY_PORT_RANGE: '20000-29999' }),
    ).rejects.toMatchObject({
      code: 'SN_LISTEN_FAILED',
    });
  });
});

describe('NatService and relays of other supernodes', () => {
  it('relays to them whatever address they have, and to nobody else there', async () => {
    others.known = ['198.51.100.9:3478', '[2001:db8::9]:3478'];
    closing.push(() => {
      others.known = [];
      return Promise.resolve();
    });
    const told: unknown[] = [];
    const { nat } = await start((settings, observer) => {
      const thread = startRelayThread(settings, observer);
      return {
        post: (command) => {
          if (command.kind === 'control') told.push(command.input);
          thread.post(command);
        },
        stop: () => thread.stop(),
      };
    });
    await nat.ready();

    expect(told).toContainEqual({
      kind: 'set-relay-addresses',
      addresses: ['198.51.100.9', '2001:db8::9'],
    });
  });
});

describe('NatService and tenants that are new', () => {
  it('takes credentials that other supernodes issue for one, without a request for it here', async () => {
    const stored = [{ tenantId: 'default', secret: 'default secret' }];
    const store: TurnSecrets = {
      all: () => Promise.resolve([...stored]),
      find: () => Promise.resolve(undefined),
    };
    const time = new ManualTime();
    const told: TurnServerControl[] = [];
    const relay = {
      start: () => Promise.resolve(),
      stop: () => Promise.resolve(),
      control: (input: TurnServerControl) => void told.push(input),
    } as unknown as RelaySupervisor;
    const credentials = new TurnCredentials(store, { turnCredentialSeconds: 600 }, time);
    const flows = new FlowRegistry({ relays: 1, relaysPerDevice: 1, orphanMs: 1 }, time, time);
    const config = { realm: 'nat.example', altAddress: undefined };
    const tasks = new BackgroundTasks();
    const nat = new NatService(relay, credentials, flows, OWNED.useValue, config, time, tasks);
    await nat.onModuleInit();
    stored.push({ tenantId: 'acme', secret: 'acme secret' });

    await time.advance(60_000);
    await nat.onApplicationShutdown();

    expect(told).toEqual([{ kind: 'set-secrets', tenantRef: tenantRefOf('acme'), secrets: ['acme secret'] }]);
  });
});

describe('NatService without the relay role', () => {
  it('sends devices to the relays of others, with the same credentials', async () => {
    others.offered = ['192.0.2.2:3478', '192.0.2.3:3478'];
    closing.push(() => {
      others.offered = ['192.0.2.2:3478'];
      return Promise.resolve();
    });
    const { nat } = await start(startRelayThread, { SUPERNODE_ROLES: 'index' });

    expect(await nat.issue(DEVICE)).toMatchObject({
      realm: 'nat.example',
      servers: ['192.0.2.2:3478', 'turn:192.0.2.2:3478?transport=tcp'],
      backups: ['192.0.2.3:3478'],
    });
    expect(nat.stunServers(DEVICE)).toEqual(others.offered);
    others.offered = [];
    expect(await nat.issue(DEVICE)).toBeUndefined();
  });

  it('listens nowhere and relays nothing itself', async () => {
    const { nat, testing } = await start(startRelayThread, { SUPERNODE_ROLES: 'index' });

    expect(nat.addresses()).toEqual([]);
    expect(testing.get<StunListeners>(STUN_LISTENERS).listening()).toEqual([]);
    expect(await nat.issueCredential(OWNER)).toBeUndefined();
    expect(nat.openFlow(DEVICE, 'request')).toBeUndefined();
    await nat.revokeCredentials(OWNER);
    expect(await nat.stats()).toBeUndefined();
  });
});

describe('NatService and the end of its thread', () => {
  it('starts another on the same port, with the credentials of before', async () => {
    const ends: ((cause: string) => void)[] = [];
    const { nat } = await start((settings, observer) => {
      const thread = inWorker(settings, observer);
      ends.push(() => void thread.stop());
      return thread;
    });
    const [address] = nat.addresses();
    ends[0]?.('crash');
    while (ends.length < 2 || (await nat.stats()) === undefined)
      await new Promise((resolve) => setImmediate(resolve));

    expect(nat.addresses()).toEqual([address]);
    const { ended } = await allocate(nat);
    expect(await ended).toMatchObject({ kind: 'permitted' });
  });
});
