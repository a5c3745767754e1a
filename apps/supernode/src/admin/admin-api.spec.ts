import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { NestExpressApplication } from '@nestjs/platform-express';
import {
  DEFAULT_TENANT,
  deviceIdSchema,
  tenantIdSchema,
  userIdSchema,
  type PresenceState,
  type TenantId,
} from '@parley/protocol';
import { pino } from 'pino';
import type { Clock } from '../clock/clock.port.ts';
import { Metrics } from '../observability/metrics.ts';
import type { AdminPresence, PresenceQuery, PresenceReader } from '../presence/presence-reader.port.ts';
import { MemoryAdminKeyRepository } from './admin-key.memory.ts';
import { AdminKeysService } from './admin-keys.service.ts';
import { createAdminApplication } from './create-admin-application.ts';
import { renderOpenApi } from './openapi-document.ts';
import { ADMIN_PROBLEMS, problemType, type AdminProblemCode } from './problem.ts';
import type { AdminScope } from './scope.ts';

const NOW = Date.parse('2026-03-01T12:00:00.000Z');
const BOOTSTRAP_KEY = 'a-bootstrap-key-of-the-operator';
const OTHER_TENANT = tenantIdSchema.parse('other');
const DEVICE = deviceIdSchema.parse(Buffer.alloc(32, 7).toString('base64url'));

class TestPresence implements PresenceReader {
  failure: Error | undefined;
  private readonly users = new Map<TenantId, AdminPresence[]>();

  add(tenant: TenantId, userId: string, state: PresenceState, updatedAt = NOW): void {
    const devices =
      state === 'offline' ? [] : [{ deviceId: DEVICE, state, reachable: true, asOf: updatedAt }];
    const user = {
      userId: userIdSchema.parse(userId),
      state,
      statusText: null,
      lastSeen: updatedAt,
      devices,
      updatedAt,
    };
    this.users.set(tenant, [...(this.users.get(tenant) ?? []), user]);
  }

  page({ tenant, state, updatedSince = 0, after = userIdSchema.parse('!'), limit }: PresenceQuery) {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    const matching = (this.users.get(tenant) ?? [])
      .filter(
        (user) =>
          (state === undefined || user.state === state) &&
          user.updatedAt >= updatedSince &&
          user.userId > after,
      )
      .sort((a, b) => (a.userId < b.userId ? -1 : 1));
    const items = matching.slice(0, limit);
    return Promise.resolve({ items, next: matching.length > limit ? (items.at(-1)?.userId ?? null) : null });
  }

  find(tenant: TenantId, userId: string): Promise<AdminPresence | undefined> {
    return Promise.resolve(this.users.get(tenant)?.find((user) => user.userId === userId));
  }
}

const clock: Clock & { time: number } = { time: NOW, now: () => clock.time, monotonic: () => clock.time };
const presence = new TestPresence();
const adminKeys = new MemoryAdminKeyRepository();
const logged: string[] = [];
let app: NestExpressApplication;
let base: string;
let keys: AdminKeysService;

beforeAll(async () => {
  const logger = pino({ level: 'error' }, { write: (line: string) => void logged.push(line) });
  app = await createAdminApplication({
    logger,
    metrics: new Metrics({ withProcess: false }),
    clock,
    adminKeys,
    presence,
    cluster: undefined,
  });
  await app.listen(0, '127.0.0.1');
  base = `http://127.0.0.1:${(app.getHttpServer().address() as AddressInfo).port}`;
  keys = app.get(AdminKeysService);
  await keys.applyBootstrapKey(BOOTSTRAP_KEY);
  for (const name of ['ann', 'bob', 'cyd', 'dan', 'eve']) presence.add(DEFAULT_TENANT, name, 'online');
  presence.add(DEFAULT_TENANT, 'fay', 'invisible', NOW - 60_000);
  presence.add(DEFAULT_TENANT, 'gus', 'offline', NOW - 120_000);
  presence.add(OTHER_TENANT, 'zoe', 'busy');
});
afterAll(() => app.close());

interface Answer {
  status: number;
  type: string | null;
  headers: Headers;
  body: Record<string, unknown>;
}

async function call(pathAndQuery: string, init: RequestInit & { key?: string } = {}): Promise<Answer> {
  const { key = BOOTSTRAP_KEY, ...rest } = init;
  const response = await fetch(base + pathAndQuery, {
    ...rest,
    headers: {
      ...(key === '' ? {} : { authorization: `Bearer ${key}` }),
      'content-type': 'application/json',
    },
  });
  const text = await response.text();
  const type = response.headers.get('content-type');
  const body = type?.includes('json') === true ? (JSON.parse(text) as Record<string, unknown>) : { text };
  return { status: response.status, type, headers: response.headers, body };
}

async function issue(
  scopes: readonly AdminScope[],
  tenant = DEFAULT_TENANT,
): Promise<{ id: string; key: string }> {
  const by = { tenant, keyId: 'test', scopes };
  const { key, record } = await keys.create(by, { name: 'test', scopes, expiresAt: null }, 'trace');
  return { id: record.id, key };
}

function expectProblem(answer: Answer, code: AdminProblemCode): void {
  expect({ status: answer.status, type: answer.type }).toEqual({
    status: ADMIN_PROBLEMS[code].status,
    type: 'application/problem+json',
  });
  expect(answer.body).toMatchObject({
    type: problemType(code),
    title: ADMIN_PROBLEMS[code].title,
    status: ADMIN_PROBLEMS[code].status,
    code,
    traceId: answer.headers.get('x-trace-id'),
  });
}

const userIds = (answer: Answer) =>
  (answer.body['items'] as { userId: string }[]).map(({ userId }) => userId);

describe('admin keys', () => {
  it.each([
    ['no key', ''],
    ['a wrong key', 'pak_wrong'],
    ['a key beyond any length', 'x'.repeat(4000)],
  ])('are needed: %s is refused', async (_, key) => {
    const answer = await call('/v1/presence', { key });

    expectProblem(answer, 'ADMIN_UNAUTHENTICATED');
    expect(answer.headers.get('www-authenticate')).toContain('Bearer');
  });

  it('that are refused are counted', async () => {
    await call('/v1/presence', { key: 'pak_wrong' });

    const { text } = (await call('/metrics')).body as { text: string };
    expect(text).toMatch(/parley_admin_problems_total\{code="ADMIN_UNAUTHENTICATED"\} [1-9]/);
  });

  it('open only what their scopes say', async () => {
    const { key } = await issue(['metrics:read']);

    expectProblem(await call('/v1/presence', { key }), 'ADMIN_SCOPE_MISSING');
    expect((await call('/metrics', { key })).status).toBe(200);
  });

  it('end at their time and when they are revoked', async () => {
    const by = { tenant: DEFAULT_TENANT, keyId: 'test', scopes: ['presence:read'] as const };
    const expiresAt = new Date(NOW + 1000);
    const { key: short } = await keys.create(
      by,
      { name: 'short', scopes: ['presence:read'], expiresAt },
      'trace',
    );
    const { id, key: revoked } = await issue(['presence:read']);
    expect((await call('/v1/presence', { key: short })).status).toBe(200);

    clock.time = NOW + 1000;
    expectProblem(await call('/v1/presence', { key: short }), 'ADMIN_UNAUTHENTICATED');
    clock.time = NOW;
    expect((await call(`/v1/admin-keys/${id}`, { method: 'DELETE' })).status).toBe(204);
    expectProblem(await call('/v1/presence', { key: revoked }), 'ADMIN_UNAUTHENTICATED');
    expectProblem(await call(`/v1/admin-keys/${id}`, { method: 'DELETE' }), 'ADMIN_NOT_FOUND');
  });

  it('are issued once in the open, stored as a hash, and audited', async () => {
    const body = JSON.stringify({ name: 'dashboard', scopes: ['presence:read'] });

    const answer = await call('/v1/admin-keys', { method: 'POST', body });

    expect(answer.status).toBe(201);
    const { key, id } = answer.body as { key: string; id: string };
    expect((await call('/v1/presence', { key })).status).toBe(200);
    const stored = await adminKeys.find(DEFAULT_TENANT, id);
    expect(JSON.stringify(stored)).not.toContain(key);
    expect(adminKeys.audit.at(-1)).toEqual({
      tenant: DEFAULT_TENANT,
      actor: 'bootstrap',
      action: 'admin-key.create',
      target: id,
      traceId: answer.headers.get('x-trace-id'),
      detail: { scopes: ['presence:read'] },
    });
  });

  it('cannot give what they do not have', async () => {
    const { key } = await issue(['admin-keys:write']);
    const body = JSON.stringify({ name: 'more', scopes: ['presence:read'] });

    expectProblem(await call('/v1/admin-keys', { method: 'POST', body, key }), 'ADMIN_SCOPE_MISSING');
  });

  it('of the settings follow the settings and are not removed over the API', async () => {
    expectProblem(await call('/v1/admin-keys/bootstrap', { method: 'DELETE' }), 'ADMIN_CONFLICT');

    await keys.applyBootstrapKey('another-bootstrap-key-value');
    expectProblem(await call('/v1/presence'), 'ADMIN_UNAUTHENTICATED');
    expect((await call('/v1/presence', { key: 'another-bootstrap-key-value' })).status).toBe(200);
    await keys.applyBootstrapKey(undefined, true);
    expect((await call('/v1/presence', { key: 'another-bootstrap-key-value' })).status).toBe(200);
    await keys.applyBootstrapKey(undefined);
    expectProblem(
      await call('/v1/presence', { key: 'another-bootstrap-key-value' }),
      'ADMIN_UNAUTHENTICATED',
    );
    await keys.applyBootstrapKey(BOOTSTRAP_KEY);
    expect((await call('/v1/presence')).status).toBe(200);
  });

  it('are listed page by page, of the own tenant only', async () => {
    const { key } = await issue(['admin-keys:read'], OTHER_TENANT);
    await issue(['presence:read'], OTHER_TENANT);

    const first = await call('/v1/admin-keys?limit=1', { key });
    const second = await call(`/v1/admin-keys?limit=1&cursor=${String(first.body['nextCursor'])}`, { key });

    expect([first, second].map(({ body }) => (body['items'] as unknown[]).length)).toEqual([1, 1]);
    expect(second.body['nextCursor']).toBeNull();
    expect(JSON.stringify([first.body, second.body])).not.toContain('bootstrap');
  });
});

describe('GET /v1/presence', () => {
  it('pages through all users in order, each once, with a Link to the next page', async () => {
    const seen: string[] = [];
    let next: string | undefined = '/v1/presence?limit=3';
    while (next !== undefined) {
      const answer: Answer = await call(next);
      seen.push(...userIds(answer));
      next = /^<([^>]+)>; rel="next"$/.exec(answer.headers.get('link') ?? '')?.[1];
      expect(answer.body['nextCursor'] === null).toBe(next === undefined);
    }

    expect(seen).toEqual(['ann', 'bob', 'cyd', 'dan', 'eve', 'fay', 'gus']);
  });

  it('filters by state and by time of change', async () => {
    expect(userIds(await call('/v1/presence?state=invisible'))).toEqual(['fay']);
    expect(userIds(await call('/v1/presence?updatedSince=2026-03-01T12:00:00Z&limit=2'))).toEqual([
      'ann',
      'bob',
    ]);
    expect(userIds(await call('/v1/presence?updatedSince=2026-03-01T12:30:00%2B00:30'))).toHaveLength(5);
  });

  it('shows the tenant of the key only', async () => {
    const { key } = await issue(['presence:read'], OTHER_TENANT);

    expect(userIds(await call('/v1/presence', { key }))).toEqual(['zoe']);
    expectProblem(await call('/v1/presence/ann', { key }), 'ADMIN_NOT_FOUND');
  });

  it.each([
    ['limit=0', 'limit'],
    ['limit=201', 'limit'],
    ['limit=ten', 'limit'],
    ['state=asleep', 'state'],
    ['updatedSince=yesterday', 'updatedSince'],
    ['cursor=a&cursor=b', 'cursor'],
  ])('refuses %s and names the parameter, not the value', async (query, field) => {
    const answer = await call(`/v1/presence?${query}`);

    expectProblem(answer, 'ADMIN_INVALID_PARAMETER');
    expect(answer.body['errors']).toEqual([{ field, reason: expect.any(String) }]);
    expect(JSON.stringify(answer.body)).not.toMatch(/asleep|yesterday|ten"/);
  });

  it('refuses a cursor that is damaged, too long or of another query', async () => {
    const { nextCursor } = (await call('/v1/presence?limit=1')).body as { nextCursor: string };

    for (const query of [
      `cursor=${nextCursor}&state=online`,
      'cursor=AAAA',
      'cursor=W10',
      `cursor=${'A'.repeat(2000)}`,
    ]) {
      expectProblem(await call(`/v1/presence?${query}`), 'ADMIN_INVALID_CURSOR');
    }
  });
});

describe('GET /v1/presence/{userId}', () => {
  it('shows the user coalesced and for each device, with the time of the reading', async () => {
    const { status, body } = await call('/v1/presence/ann');

    const time = '2026-03-01T12:00:00.000Z';
    expect({ status, body }).toEqual({
      status: 200,
      body: {
        userId: 'ann',
        state: 'online',
        statusText: null,
        lastSeenAt: time,
        updatedAt: time,
        devices: [{ deviceId: DEVICE, state: 'online', reachable: true, updatedAt: time }],
        asOf: time,
      },
    });
  });

  it('has a problem for a user that is not there', async () => {
    expectProblem(await call('/v1/presence/nobody'), 'ADMIN_NOT_FOUND');
  });
});

describe('problems', () => {
  it.each([
    ['an unknown path', '/v1/nothing', {}, 'ADMIN_NOT_FOUND'],
    [
      'a body that is no JSON',
      '/v1/admin-keys',
      { method: 'POST', body: '{"secret-text' },
      'ADMIN_INVALID_BODY',
    ],
    [
      'a body of another shape',
      '/v1/admin-keys',
      { method: 'POST', body: '{"secret-text":1}' },
      'ADMIN_INVALID_BODY',
    ],
    [
      'a body too large',
      '/v1/admin-keys',
      { method: 'POST', body: `"${'x'.repeat(200_000)}"` },
      'ADMIN_INVALID_BODY',
    ],
  ] as const)('answer %s without repeating it', async (_, target, init, code) => {
    const answer = await call(target, init);

    expectProblem(answer, code);
    expect(JSON.stringify(answer.body)).not.toContain('secret-text');
  });

  it('carry the trace id of a caller that traces', async () => {
    const traceId = 'ab'.repeat(16);
    const headers = { traceparent: `00-${traceId}-${'cd'.repeat(8)}-01` };

    const response = await fetch(`${base}/v1/presence`, { headers });

    expect(await response.json()).toMatchObject({ code: 'ADMIN_UNAUTHENTICATED', traceId });
  });

  it.each([
    ['a bug', new TypeError('row 7 is broken'), 'ADMIN_INTERNAL', true],
    [
      'a database that is away',
      Object.assign(new TypeError('cannot reach it'), { code: 'P1001' }),
      'ADMIN_STORE_UNAVAILABLE',
      false,
    ],
  ] as const)('hide what went wrong inside: %s', async (_, failure, code, isLogged) => {
    presence.failure = failure;
    logged.length = 0;

    const answer = await call('/v1/presence');
    presence.failure = undefined;

    expectProblem(answer, code);
    expect(JSON.stringify(answer.body)).not.toContain(failure.message);
    expect(logged.some((line) => line.includes(failure.message))).toBe(isLogged);
  });
});

describe('OpenAPI document', () => {
  it('is served, and is the one in docs/reference/openapi.json', async () => {
    const rendered = await renderOpenApi();
    const file = path.resolve(import.meta.dirname, '../../../../docs/reference/openapi.json');

    expect(readFileSync(file, 'utf8')).toBe(rendered);
    expect((await call('/v1/openapi.json', { key: '' })).body).toEqual(JSON.parse(rendered));
  });

  it('has a scope and every problem for each operation', async () => {
    const { paths } = JSON.parse(await renderOpenApi()) as { paths: Record<string, Record<string, object>> };
    const operations = Object.values(paths).flatMap((methods) => Object.values(methods));

    expect(Object.keys(paths)).toEqual([
      '/v1/presence',
      '/v1/presence/{userId}',
      '/v1/supernodes',
      '/v1/supernodes/{id}/score',
      '/v1/supernodes/{id}/pin',
      '/v1/supernodes/{id}/drain',
      '/v1/election',
      '/v1/election/freeze',
      '/v1/explain/assignment',
      '/v1/admin-keys',
      '/v1/admin-keys/{id}',
    ]);
    for (const operation of operations) {
      expect(operation).toMatchObject({
        'x-required-scope': expect.any(String),
        security: [{ adminKey: [] }],
        responses: {
          401: expect.anything(),
          403: expect.anything(),
          500: expect.anything(),
          503: expect.anything(),
        },
      });
    }
  });
});
