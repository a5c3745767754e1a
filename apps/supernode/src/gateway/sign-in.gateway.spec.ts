import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { DEFAULT_TENANT, tenantIdSchema, userIdSchema, type WireErrorCode } from '@parley/protocol';
import { SignJWT, type JWTPayload } from 'jose';
import { sha256 } from '../identity/digest.ts';
import { newSecret } from '../identity/testing/identity-fixtures.ts';
import { KeySetServer } from '../identity/testing/key-set-server.ts';
import { SigningAccount, SigningDevice } from '../identity/testing/signing-device.ts';
import type { EdgeConnection } from './testing/edge-connection.ts';
import { EdgeHarness } from './testing/edge-harness.ts';

const secret = newSecret();
let edge: EdgeHarness;
beforeAll(async () => {
  edge = await EdgeHarness.start({ SUPERNODE_API_SECRET: secret });
}, 60_000);
afterEach(() => edge.closeConnections());
afterAll(() => edge.stop());

function backendToken(sub: string, claims: JWTPayload = {}): Promise<string> {
  return new SignJWT({ sub, ...claims })
    .setProtectedHeader({ alg: 'HS256' })
    .setIssuedAt()
    .setExpirationTime(claims.exp ?? '5m')
    .sign(new TextEncoder().encode(secret));
}

async function refusalOfSignIn(
  connection: EdgeConnection,
  device: SigningDevice,
  token: string,
  tenant = DEFAULT_TENANT,
): Promise<WireErrorCode | undefined> {
  const proof = device.prove(await connection.challenge(), 'authenticate', { token, tenant });
  return connection.refusal('authenticate', { token, proof });
}

describe('sign-in with a token of open registration', () => {
  it('welcomes a registered device', async () => {
    const ada = await edge.registerAndSignIn('ada');

    expect(ada.welcome).toEqual({
      tenant: 'default',
      userId: ada.account.userId,
      deviceId: ada.device.deviceId,
      handle: 'ada',
      linked: true,
      deviceListVersion: 1,
      resume: { token: expect.any(String), windowMs: 120_000 },
      stunServers: ['127.0.0.1:3478'],
      relay: expect.objectContaining({ realm: 'parley' }),
      flow: null,
      homes: null,
      serverTime: expect.any(Number),
    });
    expect(edge.observed).toContain(`reachable ${ada.device.deviceId} signed-in`);
  });

  it('refuses the token of another device', async () => {
    const { token } = await edge.register('bob');

    expect(await refusalOfSignIn(await edge.connect(), new SigningDevice(), token)).toBe('TOKEN_BOUND');
  });

  it('renews the token of a listed device', async () => {
    const { account, device } = await edge.register('carol');
    const connection = await edge.connect();

    const proof = device.prove(await connection.challenge(), 'renew');
    const { token } = await connection.request('token.renew', { userId: account.userId, proof });

    expect((await edge.authenticate(connection, { account, device, token })).linked).toBe(true);
  });

  it('renews no token for a device that is not in the list, nor for an account of the app', async () => {
    const { account } = await edge.register('dave');
    const connection = await edge.connect();
    const stranger = new SigningDevice();

    const proof = stranger.prove(await connection.challenge(), 'renew');
    expect(await connection.refusal('token.renew', { userId: account.userId, proof })).toBe(
      'DEVICE_NOT_LINKED',
    );
    const again = stranger.prove(await connection.challenge(), 'renew');
    expect(await connection.refusal('token.renew', { userId: 'nobody', proof: again })).toBe(
      'DEVICE_NOT_LINKED',
    );
  });

  it('refuses a suspended account', async () => {
    const erin = await edge.register('erin');
    await edge.database.prisma.user.update({
      where: { tenantId_userId: { tenantId: 'default', userId: erin.account.userId } },
      data: { status: 'suspended' },
    });

    expect(await refusalOfSignIn(await edge.connect(), erin.device, erin.token)).toBe('FORBIDDEN');
  });
});

describe('sign-in with a token of the app', () => {
  it('lets a new user in, who then creates the account', async () => {
    const device = new SigningDevice();
    const userId = userIdSchema.parse('frank@example.org');
    const account = new SigningAccount(DEFAULT_TENANT, userId);
    const connection = await edge.connect();

    const welcome = await edge.authenticate(connection, {
      account,
      device,
      token: await backendToken(userId),
    });
    expect(welcome).toMatchObject({ userId, linked: false, deviceListVersion: 0, handle: null, relay: null });
    expect(await connection.refusal('contacts.list', {})).toBe('ACCOUNT_REQUIRED');

    const deviceList = account.next([device]);
    const created = await connection.request('account.create', { deviceList, handle: 'frank' });
    expect(created).toEqual({ deviceListVersion: 1 });
    expect(await connection.refusal('account.create', { deviceList })).toBeUndefined();
    expect(await connection.request('contacts.list', {})).toEqual({ contacts: [], deviceLists: [] });
    expect(edge.observed).toContain(`reachable ${device.deviceId} signed-in`);
  });

  it('binds a token to the first device that uses it', async () => {
    const token = await backendToken('grace');
    const first = new SigningDevice();
    const connection = await edge.connect();
    expect(await refusalOfSignIn(connection, first, token)).toBeUndefined();

    expect(await refusalOfSignIn(await edge.connect(), new SigningDevice(), token)).toBe('TOKEN_BOUND');
    expect(await refusalOfSignIn(await edge.connect(), first, token)).toBeUndefined();
  });

  it('binds one of two devices that use a token at the same time', async () => {
    const token = await backendToken('heidi', { jti: 'race' });
    const connections = [await edge.connect(), await edge.connect(), await edge.connect()];

    const outcomes = await Promise.all(
      connections.map((one) => refusalOfSignIn(one, new SigningDevice(), token)),
    );

    expect(outcomes.sort()).toEqual(['TOKEN_BOUND', 'TOKEN_BOUND', undefined]);
  });

  it('refuses expired, foreign and garbage tokens, and tenants that do not exist', async () => {
    const device = new SigningDevice();
    const connection = await edge.connect();
    const refusal = async (token: string, tenant = DEFAULT_TENANT) =>
      refusalOfSignIn(connection, device, token, tenant);

    expect(await refusal(await backendToken('ivan', { exp: 1 }))).toBe('TOKEN_EXPIRED');
    expect(await refusal(await backendToken('ivan', { tenant: 'other' }))).toBe('TOKEN_INVALID');
    expect(await refusal('garbage')).toBe('TOKEN_INVALID');
    expect(await refusal(await backendToken('ivan'), tenantIdSchema.parse('other'))).toBe('TENANT_UNKNOWN');
  });

  it('verifies by the key set of a tenant', async () => {
    const backend = await KeySetServer.start();
    const tenantId = await edge.database.newTenant();
    await edge.database.prisma.tenant.update({ where: { id: tenantId }, data: { jwksUrl: backend.url } });
    const tenant = tenantIdSchema.parse(tenantId);
    const now = Math.floor(Date.now() / 1000);
    const token = await backend.sign({ sub: 'judy', aud: 'parley', tenant, iat: now, exp: now + 60 });
    const user = {
      account: new SigningAccount(tenant, userIdSchema.parse('judy')),
      device: new SigningDevice(),
      token,
    };

    const welcome = await edge.authenticate(await edge.connect(), user);

    expect(welcome).toMatchObject({ tenant, userId: 'judy', linked: false });
    await backend.stop();
  });
});

describe('proofs on a connection', () => {
  it('are refused when replayed, or made for another server, cluster, tenant, purpose or token', async () => {
    const { device, token } = await edge.register('kate');
    const connection = await edge.connect();
    const refusal = async (wrong: Parameters<SigningDevice['prove']>[2]) => {
      const challenge = await connection.challenge();
      const proof = device.prove(challenge, 'authenticate', { token, ...wrong });
      return connection.refusal('authenticate', { token, proof });
    };

    expect(await refusal({ serverId: 'another' })).toBe('BAD_PROOF');
    expect(await refusal({ clusterId: 'another' })).toBe('BAD_PROOF');
    expect(await refusal({ purpose: 'resume' })).toBe('BAD_PROOF');
    expect(await refusal({ token: 'another' })).toBe('BAD_PROOF');
    expect(await refusal({ tenant: tenantIdSchema.parse(await edge.database.newTenant()) })).toBe(
      'TOKEN_INVALID',
    );
    expect(await refusal({ nonce: sha256('another') })).toBe('CHALLENGE_EXPIRED');

    const proof = device.prove(await connection.challenge(), 'authenticate', { token });
    await connection.request('authenticate', { token, proof });
    const second = await edge.connect();
    expect(await second.refusal('authenticate', { token, proof })).toBe('CHALLENGE_EXPIRED');
    await second.challenge();
    expect(await second.refusal('authenticate', { token, proof })).toBe('CHALLENGE_EXPIRED');
  });

  it('sign one device in on one connection', async () => {
    const ada = await edge.registerAndSignIn('one-device');

    expect(await refusalOfSignIn(ada.connection, ada.device, ada.token)).toBe('CONFLICT');
  });
});

describe('connections of a device', () => {
  it('are one: a new one replaces the older, which is told so', async () => {
    const first = await edge.registerAndSignIn('laura');

    const second = await edge.signIn(first);

    expect((await first.connection.event('go-away')).payload.reason).toBe('replaced');
    await first.connection.disconnected();
    expect(await second.connection.request('contacts.list', {})).toEqual({ contacts: [], deviceLists: [] });
    expect(edge.channels.connectedDevices(DEFAULT_TENANT, first.account.userId)).toEqual([
      first.device.deviceId,
    ]);
  });

  it('end for the device at its sign-off', async () => {
    const mia = await edge.registerAndSignIn('mia');

    await mia.connection.request('sign-off', {});

    expect(edge.observed).toContain(`gone ${mia.device.deviceId} signed-off`);
    expect(await mia.connection.refusal('contacts.list', {})).toBe('NOT_AUTHENTICATED');
    expect((await edge.authenticate(mia.connection, mia)).linked).toBe(true);
  });
});
