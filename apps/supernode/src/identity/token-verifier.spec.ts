import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DEFAULT_TENANT, tenantIdSchema, userIdSchema, type WireErrorCode } from '@parley/protocol';
import { SignJWT, UnsecuredJWT, type JWTHeaderParameters, type JWTPayload } from 'jose';
import { BackgroundTasks } from '../background-tasks.ts';
import { ManualTime, settled } from '../clock/testing/manual-time.ts';
import { Refusal } from '../refusal.ts';
import type { ProvenDevice } from './device-proof.ts';
import { sha256 } from './digest.ts';
import { RemoteKeySets } from './remote-key-sets.ts';
import type { Tenant } from './tenants.port.ts';
import { newRingKey } from './ring-key.ts';
import { MemoryKeyring, newSecret, startedIdentity, tenantWith } from './testing/identity-fixtures.ts';
import { KeySetServer } from './testing/key-set-server.ts';
import { SigningDevice } from './testing/signing-device.ts';
import { TokenIssuer } from './token-issuer.ts';
import { TokenVerifier } from './token-verifier.ts';

const LIFETIME_SECONDS = 900;
const secret = newSecret();
const signing = new SigningDevice();
const device: ProvenDevice = { tenant: DEFAULT_TENANT, deviceId: signing.deviceId, deviceKey: signing.key };
const other = tenantIdSchema.parse('other');

let backend: KeySetServer;
beforeAll(async () => {
  backend = await KeySetServer.start();
});
afterAll(() => backend.stop());

async function setUp(keyring = new MemoryKeyring(), time = new ManualTime()) {
  const config = { accessTokenSeconds: LIFETIME_SECONDS };
  const issuer = new TokenIssuer(
    await startedIdentity(keyring),
    keyring,
    config,
    time,
    time,
    new BackgroundTasks(),
  );
  await issuer.onModuleInit();
  const verifier = new TokenVerifier(issuer, new RemoteKeySets(time), time);
  const now = Math.floor(time.now() / 1000);
  const verify = async (token: string, tenant: Tenant): Promise<WireErrorCode | 'accepted'> => {
    try {
      await verifier.verify(token, tenant, device);
      return 'accepted';
    } catch (error) {
      if (error instanceof Refusal) return error.code;
      throw error;
    }
  };
  return { time, keyring, issuer, verifier, verify, now, claims: { sub: 'ada', iat: now, exp: now + 60 } };
}

function signBySecret(
  claims: JWTPayload,
  header: Partial<JWTHeaderParameters> = {},
  key = secret,
): Promise<string> {
  return new SignJWT(claims)
    .setProtectedHeader({ alg: 'HS256', ...header })
    .sign(new TextEncoder().encode(key));
}

describe('TokenVerifier › secret of the tenant', () => {
  const tenant = tenantWith({ apiSecret: secret });

  it.each(['HS256', 'HS384', 'HS512'])('accepts %s', async (alg) => {
    const { verify, claims } = await setUp();

    expect(await verify(await signBySecret(claims, { alg }), tenant)).toBe('accepted');
  });

  it('says who it is, and by what the token is known', async () => {
    const { verifier, claims } = await setUp();
    const plain = await signBySecret(claims);
    const named = await signBySecret({ ...claims, jti: 'j1' });

    expect(await verifier.verify(plain, tenant, device)).toEqual({
      userId: 'ada',
      namesDevice: false,
      bindingHash: sha256(`text ${plain.slice(0, plain.lastIndexOf('.'))}`),
      expiresAt: new Date((claims.exp + 30) * 1000),
      origin: 'backend',
    });
    expect((await verifier.verify(named, tenant, device)).bindingHash).toBe(sha256('jti ada j1'));
  });

  const refusals: [string, WireErrorCode, (claims: JWTPayload, now: number) => Promise<string> | string][] = [
    ['garbage', 'TOKEN_INVALID', () => 'garbage'],
    ['an empty token', 'TOKEN_INVALID', () => '..'],
    ['a token without a signature', 'TOKEN_INVALID', (claims) => new UnsecuredJWT(claims).encode()],
    ['a wrong secret', 'TOKEN_INVALID', (claims) => signBySecret(claims, {}, newSecret())],
    [
      'a changed claim',
      'TOKEN_INVALID',
      async (claims) => {
        const [header, , signature] = (await signBySecret(claims)).split('.');
        return [
          header,
          Buffer.from(JSON.stringify({ ...claims, sub: 'bob' })).toString('base64url'),
          signature,
        ].join('.');
      },
    ],
    ['an expired token', 'TOKEN_EXPIRED', (claims, now) => signBySecret({ ...claims, exp: now - 31 })],
    ['a token of the future', 'TOKEN_INVALID', (claims, now) => signBySecret({ ...claims, nbf: now + 600 })],
    [
      'a token that was issued too long ago',
      'TOKEN_EXPIRED',
      (claims, now) => signBySecret({ ...claims, iat: now - 25 * 3600, exp: now + 60 }),
    ],
    ['a token without an end', 'TOKEN_INVALID', ({ sub = '', iat = 0 }) => signBySecret({ sub, iat })],
    ['a token without a start', 'TOKEN_INVALID', ({ sub = '', exp = 0 }) => signBySecret({ sub, exp })],
    ['a token for nobody', 'TOKEN_INVALID', ({ iat = 0, exp = 0 }) => signBySecret({ iat, exp })],
    ['a user id that is none', 'TOKEN_INVALID', (claims) => signBySecret({ ...claims, sub: 'with space' })],
    ['another tenant', 'TOKEN_INVALID', (claims) => signBySecret({ ...claims, tenant: 'other' })],
    [
      'another device',
      'TOKEN_BOUND',
      (claims) => signBySecret({ ...claims, device: new SigningDevice().deviceId }),
    ],
    ['another key', 'TOKEN_BOUND', (claims) => signBySecret({ ...claims, cnf: { jkt: sha256('other') } })],
    [
      'an extension that must be understood',
      'TOKEN_INVALID',
      async (claims) => {
        const header = Buffer.from(JSON.stringify({ alg: 'HS256', crit: ['x'], x: 1 })).toString('base64url');
        return [header, ...(await signBySecret(claims)).split('.').slice(1)].join('.');
      },
    ],
  ];
  it.each(refusals)('refuses %s (%s)', async (_what, code, make) => {
    const { verify, claims, now } = await setUp();

    expect(await verify(await make(claims, now), tenant)).toBe(code);
  });

  it('accepts a token that names this device by id or by thumbprint', async () => {
    const { verifier, claims } = await setUp();
    const thumbprint = sha256(`{"crv":"Ed25519","kty":"OKP","x":"${device.deviceKey}"}`);

    for (const binding of [{ device: device.deviceId }, { cnf: { jkt: thumbprint } }]) {
      const token = await signBySecret({ ...claims, ...binding });
      expect((await verifier.verify(token, tenant, device)).namesDevice).toBe(true);
    }
  });

  it('demands issuer and audience where the tenant names them', async () => {
    const { verify, claims } = await setUp();
    const strict = tenantWith({ apiSecret: secret, tokenIssuer: 'app', tokenAudience: 'calls' });

    expect(await verify(await signBySecret({ ...claims, iss: 'app', aud: 'calls' }), strict)).toBe(
      'accepted',
    );
    expect(await verify(await signBySecret({ ...claims, iss: 'app' }), strict)).toBe('TOKEN_INVALID');
    expect(await verify(await signBySecret({ ...claims, iss: 'x', aud: 'calls' }), strict)).toBe(
      'TOKEN_INVALID',
    );
  });

  it('demands the tenant claim of every tenant but the default one', async () => {
    const { verify, claims } = await setUp();
    const second = tenantWith({ id: other, apiSecret: secret });

    expect(await verify(await signBySecret(claims), second)).toBe('TOKEN_INVALID');
    expect(await verify(await signBySecret({ ...claims, tenant: 'other' }), second)).toBe('accepted');
  });

  it('takes no token where the tenant has no secret', async () => {
    const { verify, claims } = await setUp();

    expect(await verify(await signBySecret(claims), tenantWith())).toBe('TOKEN_INVALID');
  });
});

describe('TokenVerifier › key set of the tenant', () => {
  it('accepts a token for the audience, and only for it', async () => {
    const { verify, claims } = await setUp();
    const tenant = tenantWith({ jwksUrl: backend.url });

    expect(await verify(await backend.sign({ ...claims, aud: 'parley' }), tenant)).toBe('accepted');
    expect(await verify(await backend.sign(claims), tenant)).toBe('TOKEN_INVALID');
    expect(await verify(await backend.sign({ ...claims, aud: 'another app' }), tenant)).toBe('TOKEN_INVALID');
  });

  it('never takes a public key for an HMAC secret', async () => {
    const { verify, claims } = await setUp();
    const forged = await signBySecret(
      { ...claims, aud: 'parley' },
      { kid: 'k1' },
      JSON.stringify(backend.publicJwk),
    );

    expect(await verify(forged, tenantWith({ jwksUrl: backend.url }))).toBe('TOKEN_INVALID');
    expect(await verify(await backend.sign(claims), tenantWith({ apiSecret: secret }))).toBe('TOKEN_INVALID');
  });

  it('asks for the set once, and not again for key ids that somebody made up', async () => {
    const { verify, claims } = await setUp();
    const tenant = tenantWith({ jwksUrl: backend.url });
    const before = backend.requests;

    await verify(await backend.sign({ ...claims, aud: 'parley' }), tenant);
    expect(await verify(await backend.sign({ ...claims, aud: 'parley' }, 'made-up'), tenant)).toBe(
      'TOKEN_INVALID',
    );
    await verify(await backend.sign({ ...claims, aud: 'parley' }, 'made-up-too'), tenant);

    expect(backend.requests - before).toBe(1);
  });

  it('says that the backend is away, and asks it again only after a pause', async () => {
    const { time, verify, claims } = await setUp();
    const broken = await KeySetServer.start();
    const tenant = tenantWith({ jwksUrl: broken.url });
    const token = await broken.sign({ ...claims, aud: 'parley' });
    broken.isBroken = true;

    expect(await verify(token, tenant)).toBe('STORE_UNAVAILABLE');
    expect(await verify(token, tenant)).toBe('STORE_UNAVAILABLE');
    expect(broken.requests).toBe(1);

    broken.isBroken = false;
    await time.advance(5_000);
    expect(await verify(token, tenant)).toBe('accepted');
    await broken.stop();
    expect(await verify(token, tenantWith({ jwksUrl: broken.url.replace('/jwks', '/x') }))).toBe(
      'STORE_UNAVAILABLE',
    );
  });
});

describe('TokenVerifier › own tokens', () => {
  const user = { tenant: DEFAULT_TENANT, userId: userIdSchema.parse('ada') };

  it('are accepted for the device and the tenant that they were issued for', async () => {
    const { issuer, verify } = await setUp();
    const { token, expiresInMs } = await issuer.issue(user, device);

    expect(expiresInMs).toBe(LIFETIME_SECONDS * 1000);
    expect(await verify(token, tenantWith())).toBe('accepted');
    expect(await verify(token, tenantWith({ id: other }))).toBe('TOKEN_INVALID');
    const { token: foreign } = await issuer.issue(user, { deviceId: new SigningDevice().deviceId });
    expect(await verify(foreign, tenantWith())).toBe('TOKEN_BOUND');
  });

  it('end at their time', async () => {
    const { time, issuer, verify } = await setUp();
    const { token } = await issuer.issue(user, device);

    await time.advance((LIFETIME_SECONDS + 31) * 1000);

    expect(await verify(token, tenantWith())).toBe('TOKEN_EXPIRED');
  });

  it('are refused when another cluster, or a backend that claims the type, signed them', async () => {
    const { verify, claims } = await setUp();
    const { issuer: stranger } = await setUp();
    const { token } = await stranger.issue(user, device);
    const typed = await signBySecret(
      { ...claims, device: device.deviceId },
      { typ: 'parley-access+jwt', kid: 'access-token-1' },
    );

    expect(await verify(token, tenantWith())).toBe('TOKEN_INVALID');
    expect(await verify(typed, tenantWith({ apiSecret: secret }))).toBe('TOKEN_INVALID');
  });

  it('of a new key are taken at once by a supernode that was asked for none meanwhile', async () => {
    const { time, keyring, issuer, verify } = await setUp();
    const idle = await setUp(keyring, time);
    const begins = new Date(time.now() + 300_000);
    keyring.rotate('access-token', (newest) => {
      Object.assign(newest, { notAfter: begins });
      return { ...newest, ...newRingKey('access-token', begins.getTime()), version: 2 };
    });
    await time.advance(300_000);
    await settled();
    const { token } = await issuer.issue(user, device);

    expect(await verify(token, tenantWith())).toBe('accepted');
    expect(await idle.verify(token, tenantWith())).toBe('accepted');
  });

  it('outlive the rotation of their key by their own life, and no more', async () => {
    const { time, keyring, issuer, verify } = await setUp();
    const { token: old } = await issuer.issue(user, device);
    const retired = new Date(time.now());
    keyring.rotate('access-token', (newest) => {
      Object.assign(newest, { notAfter: retired });
      return { ...newest, version: 2, notBefore: retired, notAfter: null };
    });
    await time.advance(60_000);
    await settled();

    expect(await verify(old, tenantWith())).toBe('accepted');
    await time.advance(LIFETIME_SECONDS * 1000);
    expect(await verify(old, tenantWith())).toBe('TOKEN_INVALID');
    const { token: fresh } = await issuer.issue(user, device);
    expect(await verify(fresh, tenantWith())).toBe('accepted');
  });
});
