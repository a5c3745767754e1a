import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { DEFAULT_TENANT, userIdSchema } from '@parley/protocol';
import { pino } from 'pino';
import { ManualTime } from '../clock/testing/manual-time.ts';
import { ClusterAdmin } from '../cluster/cluster-admin.ts';
import type { ClusterView, NodeView } from '../cluster/core/cluster-io.ts';
import type { NodeRecord } from '../cluster/node-record.ts';
import { MemoryRosterStore } from '../cluster/roster-store.memory.ts';
import { slotOf } from '../cluster/slot.ts';
import { rosterOf } from '../cluster/testing/roster-store.contract.ts';
import { SupernodeError } from '../errors.ts';
import { Metrics } from '../observability/metrics.ts';
import { MemoryAdminKeyRepository } from './admin-key.memory.ts';
import { AdminKeysService } from './admin-keys.service.ts';
import { createAdminApplication } from './create-admin-application.ts';
import type { AdminScope } from './scope.ts';

const USER = userIdSchema.parse('ann');
const TERMS = { cpu: 0.5, eventLoop: 1, memory: 0.9, relay: 1, uptime: 0.1, reachability: 1, version: 1 };

function nodeView(nodeId: string, state: NodeRecord['state']): NodeView {
  return {
    record: {
      nodeId,
      incarnation: 3,
      state,
      region: 'default',
      version: '0.1.0',
      roles: ['index', 'relay'],
      addresses: { edge: `http://${nodeId}:8080`, stun: null },
      capacity: { connections: 20_000, relayBytesPerSecond: 125_000_000, eventLoopDelayMs: 250 },
      load: { connections: 7, cpu: 0.5, memory: 0.1, eventLoopDelayMs: 2, relayBytesPerSecond: 0 },
      uptimeMs: 61_000,
      unreachable: [],
      reached: ['node-a'],
      rosterEpoch: 4,
      databaseReachable: true,
    },
    reachability: 'verified',
    verdict: 'alive',
    objections: state === 'draining' ? ['draining'] : [],
    score: 0.78,
    terms: TERMS,
    hasSeat: state === 'active',
  };
}

const time = new ManualTime();
let app: NestExpressApplication;
let keys: AdminKeysService;
let rosters: MemoryRosterStore;
let asked: string[];

beforeEach(async () => {
  rosters = new MemoryRosterStore();
  asked = [];
  const view = {
    roster: rosterOf(4, 'node-a', 'node-b'),
    nodes: [nodeView('node-c', 'draining'), nodeView('node-a', 'active')],
    alerts: new Map([['NO_SPARE', 'default']]),
    standing: () => 'acting',
    explain: (slot: number) => ({
      slot,
      rosterEpoch: 4,
      coordinator: 'node-a',
      owner: 'node-b',
      slotEpoch: 2,
      ranking: [{ nodeId: 'node-b', weight: 1, slots: 2048, limit: 2560 }],
      standing: undefined,
      waitsFor: [],
    }),
  } as unknown as ClusterView;
  const ownership = {
    self: 'node-a',
    ownerOf: () => 'node-b',
    tenureOf: () => undefined,
    tenureOfSlot: () => undefined,
    otherRelaysOf: () => ['node-r:3478'],
    relayAddresses: () => [],
    homesOf: () => ['http://node-b:8080'],
    activeNodes: () => ['node-a', 'node-b'],
    activeEdges: () => ['http://node-a:8080', 'http://node-b:8080'],
    isHeldBack: false,
    aliveNodes: () => ['node-a', 'node-b'],
    onChange: () => () => undefined,
  };
  const links = {
    request: (to: string) => {
      asked.push(to);
      return Promise.reject(new SupernodeError('SN_LINK_TIMEOUT', 'late'));
    },
  };
  const drain = () => {
    asked.push('node-a');
    return Promise.resolve();
  };
  app = await createAdminApplication({
    logger: pino({ level: 'silent' }),
    metrics: new Metrics({ withProcess: false }),
    clock: time,
    adminKeys: new MemoryAdminKeyRepository(),
    presence: undefined,
    cluster: new ClusterAdmin({ view, clock: time, drain }, ownership, rosters, links),
  });
  await app.listen(0, '127.0.0.1');
  keys = app.get(AdminKeysService);
});
afterEach(() => app.close());

async function call(method: string, route: string, body?: unknown, scope: AdminScope = 'cluster:write') {
  const by = { tenant: DEFAULT_TENANT, keyId: 'test', scopes: [scope] };
  const { key } = await keys.create(by, { name: 'test', scopes: [scope], expiresAt: null }, 'trace');
  const { port } = app.getHttpServer().address() as AddressInfo;
  const response = await fetch(`http://127.0.0.1:${port}${route}`, {
    method,
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? undefined : (JSON.parse(text) as unknown) };
}

describe('GET /v1/supernodes', () => {
  it('shows who has a lease and who has a seat only', async () => {
    const { status, body } = await call('GET', '/v1/supernodes', undefined, 'cluster:read');

    expect(status).toBe(200);
    expect(body).toMatchObject({
      seenBy: 'node-a',
      items: [
        { nodeId: 'node-a', state: 'active', hasSeat: true, isCoordinator: true, slots: 2048, pin: null },
        { nodeId: 'node-b', state: 'down', hasSeat: true, isCoordinator: false, slots: 2048, lease: null },
        { nodeId: 'node-c', state: 'draining', hasSeat: false, weight: null, slots: 0 },
      ],
    });
    expect(body).toHaveProperty('items.0.lease', {
      incarnation: 3,
      region: 'default',
      version: '0.1.0',
      roles: ['index', 'relay'],
      edge: 'http://node-a:8080',
      stun: null,
      uptimeSeconds: 61,
      rosterEpoch: 4,
      reachability: 'verified',
      verdict: 'alive',
      objections: [],
      unreachable: [],
      load: { connections: 7, cpu: 0.5, memory: 0.1, eventLoopDelayMs: 2, relayBytesPerSecond: 0 },
      capacity: { connections: 20_000, relayBytesPerSecond: 125_000_000, eventLoopDelayMs: 250 },
    });
  });

  it('explains the score of one', async () => {
    const found = await call('GET', '/v1/supernodes/node-c/score', undefined, 'cluster:read');
    const seatOnly = await call('GET', '/v1/supernodes/node-b/score', undefined, 'cluster:read');

    expect(found.body).toMatchObject({
      nodeId: 'node-c',
      score: 0.78,
      terms: TERMS,
      objections: ['draining'],
    });
    expect(seatOnly.status).toBe(404);
  });
});

describe('controls of operators', () => {
  it('freeze, pin and unpin, each audited and shown at once', async () => {
    await call('PUT', '/v1/election/freeze', { isFrozen: true });
    await call('PUT', '/v1/supernodes/node-b/pin', { state: 'standby' });
    const pinned = await call('PUT', '/v1/supernodes/node-c/pin', { state: 'active' });
    const unpinned = await call('DELETE', '/v1/supernodes/node-b/pin');

    expect(pinned.body).toEqual({ isFrozen: true, pins: { 'node-b': 'standby', 'node-c': 'active' } });
    expect(unpinned.body).toEqual({ isFrozen: true, pins: { 'node-c': 'active' } });
    const { body } = await call('GET', '/v1/supernodes', undefined, 'cluster:read');
    expect(body).toHaveProperty('items.2.pin', 'active');
    expect(rosters.audited.map(({ action, target, detail }) => [action, target, detail])).toEqual([
      ['election.freeze', 'cluster', { isFrozen: true }],
      ['supernode.pin', 'node-b', { state: 'standby' }],
      ['supernode.pin', 'node-c', { state: 'active' }],
      ['supernode.unpin', 'node-b', undefined],
    ]);
  });

  it.each([
    ['PUT', '/v1/election/freeze', { isFrozen: 'yes' }],
    ['PUT', '/v1/supernodes/node-b/pin', { state: 'draining' }],
    ['PUT', '/v1/supernodes/-/pin', { state: 'active' }],
  ])('refuse %s %s with %j', async (method, route, body) => {
    expect((await call(method, route, body)).status).toBe(400);
    expect(rosters.audited).toEqual([]);
  });

  it('are closed to who may only read', async () => {
    const outcomes = await Promise.all([
      call('PUT', '/v1/election/freeze', { isFrozen: true }, 'cluster:read'),
      call('POST', '/v1/supernodes/node-a/drain', undefined, 'cluster:read'),
      call('GET', '/v1/election', undefined, 'presence:read'),
    ]);

    expect(outcomes.map(({ status }) => status)).toEqual([403, 403, 403]);
    expect(asked).toEqual([]);
  });

  it('drain this supernode, and others by asking them', async () => {
    expect((await call('POST', '/v1/supernodes/node-a/drain')).status).toBe(202);
    expect(await call('POST', '/v1/supernodes/node-c/drain')).toMatchObject({
      status: 504,
      body: { code: 'ADMIN_SUPERNODE_UNREACHABLE' },
    });
    expect((await call('POST', '/v1/supernodes/node-x/drain')).status).toBe(404);

    expect(asked).toEqual(['node-a', 'node-c']);
    expect(rosters.audited.map(({ action, target }) => [action, target])).toEqual([
      ['supernode.drain', 'node-a'],
      ['supernode.drain', 'node-c'],
    ]);
  });
});

describe('GET /v1/election', () => {
  it('shows roster, controls, alerts and the newest decisions', async () => {
    const decision = {
      at: time.now(),
      epoch: 4,
      coordinator: 'node-a',
      action: 'promote' as const,
      nodeId: 'node-b',
      region: 'default',
      reason: 'load-needs-it' as const,
      score: 0.8,
      terms: TERMS,
      detail: '812 of 1,000 connections',
      movedSlots: 2048,
    };
    await rosters.replace(rosterOf(4, 'node-a', 'node-b'), 0, [{ ...decision, nodeId: 'node-a' }, decision]);

    const { body } = await call('GET', '/v1/election?decisions=1', undefined, 'cluster:read');

    expect(body).toMatchObject({
      epoch: 4,
      coordinator: 'node-a',
      active: ['node-a', 'node-b'],
      controls: { isFrozen: false, pins: {} },
      alerts: [{ code: 'NO_SPARE', detail: 'default', meaning: expect.stringContaining('supernodes') }],
      standing: 'acting',
      decisions: [{ ...decision, at: '2026-01-01T00:00:00.000Z' }],
    });
  });
});

describe('GET /v1/explain/assignment', () => {
  it('says why a user has its home where it is', async () => {
    const { body } = await call('GET', `/v1/explain/assignment?userId=${USER}`, undefined, 'cluster:read');

    expect(body).toMatchObject({
      userId: USER,
      slot: slotOf(DEFAULT_TENANT, USER),
      owner: 'node-b',
      slotEpoch: 2,
      homes: ['http://node-b:8080'],
      relays: ['node-r:3478'],
      ranking: [{ nodeId: 'node-b', weight: 1, slots: 2048, limit: 2560 }],
    });
    expect((await call('GET', '/v1/explain/assignment', undefined, 'cluster:read')).status).toBe(400);
  });
});
