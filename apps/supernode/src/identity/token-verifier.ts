import { Inject, Injectable } from '@nestjs/common';
import { DEFAULT_TENANT, userIdSchema, type UserId } from '@parley/protocol';
import {
  decodeProtectedHeader,
  errors,
  jwtVerify,
  type JWTPayload,
  type JWTVerifyOptions,
  type ProtectedHeaderParameters,
} from 'jose';
import { z } from 'zod';
import { CLOCK, type Clock } from '../clock/clock.port.ts';
import { Refusal } from '../refusal.ts';
import { sha256 } from './digest.ts';
import type { ProvenDevice } from './device-proof.ts';
import { RemoteKeySets } from './remote-key-sets.ts';
import type { Tenant } from './tenants.port.ts';
import { OWN_TOKEN_TYPE, TokenIssuer } from './token-issuer.ts';

const SECRET_ALGORITHMS = ['HS256', 'HS384', 'HS512'];
const KEY_SET_ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];
/** Expected of tokens from a key set whose tenant names no audience: such sets serve many apps. */
const DEFAULT_AUDIENCE = 'parley';
const CLOCK_TOLERANCE_S = 30;
/** Tokens are short-lived; one that was issued longer ago is refused whatever its `exp` says. */
const MAX_TOKEN_AGE_S = 24 * 3600;

/** What an access token says, after verification. */
export interface VerifiedToken {
  readonly userId: UserId;
  /** True when the token itself names the device that presented it. */
  readonly namesDevice: boolean;
  /** Identifies the token for first-use binding: of its `jti`, else of the signed part of its text. */
  readonly bindingHash: string;
  readonly expiresAt: Date;
  readonly origin: 'own' | 'backend';
}

const claimsSchema = z.object({
  sub: userIdSchema,
  exp: z.number(),
  jti: z.string().min(1).max(256).optional(),
  tenant: z.string().optional(),
  /** Device id, in tokens that are made for one device. */
  device: z.string().optional(),
  /** RFC 7800: the thumbprint (RFC 7638) of the device key. */
  cnf: z.object({ jkt: z.string().optional() }).optional(),
});

/**
 * Verifies access tokens (DESIGN 6.1). Which kind of key may verify a token follows from its header, and each kind
 * admits its own algorithms only, so that a public key never serves as an HMAC secret (RFC 8725 section 2.1).
 */
@Injectable()
export class TokenVerifier {
  constructor(
    private readonly issuer: TokenIssuer,
    private readonly keySets: RemoteKeySets,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** @throws Refusal TOKEN_INVALID, TOKEN_EXPIRED, TOKEN_BOUND */
  async verify(token: string, tenant: Tenant, device: ProvenDevice): Promise<VerifiedToken> {
    const header = headerOf(token);
    const origin = header.typ === OWN_TOKEN_TYPE ? 'own' : 'backend';
    const payload = await this.verifySignature(token, header, tenant, origin);
    const claims = claimsSchema.safeParse(payload);
    if (!claims.success) throw new Refusal('TOKEN_INVALID', 'The claims of the access token are malformed.');
    const { sub, exp, jti, tenant: claimed, device: named, cnf } = claims.data;
    if (!isOfTenant(claimed, tenant, origin)) {
      throw new Refusal('TOKEN_INVALID', 'The access token is of another tenant, or names none.');
    }
    if (named !== undefined && named !== device.deviceId) throw new Refusal('TOKEN_BOUND');
    if (cnf?.jkt !== undefined && cnf.jkt !== thumbprint(device.deviceKey)) throw new Refusal('TOKEN_BOUND');
    return {
      userId: sub,
      namesDevice: named !== undefined || cnf?.jkt !== undefined,
      bindingHash: jti === undefined ? sha256(`text ${signedPartOf(token)}`) : sha256(`jti ${sub} ${jti}`),
      expiresAt: new Date((exp + CLOCK_TOLERANCE_S) * 1000),
      origin,
    };
  }

  private async verifySignature(
    token: string,
    header: ProtectedHeaderParameters,
    tenant: Tenant,
    origin: VerifiedToken['origin'],
  ): Promise<JWTPayload> {
    const options: JWTVerifyOptions = {
      currentDate: new Date(this.clock.now()),
      clockTolerance: CLOCK_TOLERANCE_S,
      maxTokenAge: MAX_TOKEN_AGE_S,
      requiredClaims: ['sub', 'exp', 'iat'],
    };
    try {
      if (origin === 'own') return await this.verifyOwn(token, header, options);
      const backend = { ...options, ...expectations(tenant) };
      if (SECRET_ALGORITHMS.includes(header.alg ?? '')) return await verifyBySecret(token, tenant, backend);
      return await this.verifyByKeySet(token, tenant, backend);
    } catch (error) {
      throw refusalOf(error);
    }
  }

  private async verifyOwn(
    token: string,
    header: ProtectedHeaderParameters,
    options: JWTVerifyOptions,
  ): Promise<JWTPayload> {
    const key = this.issuer.publicKey(typeof header.kid === 'string' ? header.kid : undefined);
    if (!key) throw new Refusal('TOKEN_INVALID', 'The access token was signed by a key that is out of use.');
    const { payload } = await jwtVerify(token, key, {
      ...options,
      algorithms: ['EdDSA'],
      typ: OWN_TOKEN_TYPE,
      issuer: this.issuer.issuer,
      audience: this.issuer.issuer,
    });
    return payload;
  }

  private async verifyByKeySet(
    token: string,
    tenant: Tenant,
    options: JWTVerifyOptions,
  ): Promise<JWTPayload> {
    if (tenant.jwksUrl === null)
      throw new Refusal('TOKEN_INVALID', 'The tenant takes no tokens of this kind.');
    const { payload } = await jwtVerify(token, this.keySets.of(tenant.jwksUrl), {
      ...options,
      algorithms: KEY_SET_ALGORITHMS,
      audience: options.audience ?? DEFAULT_AUDIENCE,
    });
    return payload;
  }
}

async function verifyBySecret(token: string, tenant: Tenant, options: JWTVerifyOptions): Promise<JWTPayload> {
  if (tenant.apiSecret === null)
    throw new Refusal('TOKEN_INVALID', 'The tenant takes no tokens of this kind.');
  const secret = new TextEncoder().encode(tenant.apiSecret);
  const { payload } = await jwtVerify(token, secret, { ...options, algorithms: SECRET_ALGORITHMS });
  return payload;
}

function expectations(tenant: Tenant): JWTVerifyOptions {
  return {
    ...(tenant.tokenIssuer === null ? {} : { issuer: tenant.tokenIssuer }),
    ...(tenant.tokenAudience === null ? {} : { audience: tenant.tokenAudience }),
  };
}

/** Deployments for one app never see the word tenant: only there a backend's token may leave it out. */
function isOfTenant(claimed: string | undefined, tenant: Tenant, origin: VerifiedToken['origin']): boolean {
  if (claimed === undefined) return origin === 'backend' && tenant.id === DEFAULT_TENANT;
  return claimed === tenant.id;
}

function headerOf(token: string): ProtectedHeaderParameters {
  try {
    return decodeProtectedHeader(token);
  } catch {
    throw new Refusal('TOKEN_INVALID', 'The access token is no JSON web token.');
  }
}

/** Without the signature, which can be spelled in several ways that all verify. */
function signedPartOf(token: string): string {
  return token.slice(0, token.lastIndexOf('.'));
}

/** RFC 7638 for an Ed25519 key (RFC 8037): the members in lexical order, no white space. */
function thumbprint(deviceKey: string): string {
  return sha256(`{"crv":"Ed25519","kty":"OKP","x":"${deviceKey}"}`);
}

function refusalOf(error: unknown): unknown {
  if (error instanceof errors.JWTExpired) return new Refusal('TOKEN_EXPIRED');
  if (error instanceof errors.JOSEError)
    return new Refusal('TOKEN_INVALID', undefined, undefined, { cause: error });
  return error;
}
