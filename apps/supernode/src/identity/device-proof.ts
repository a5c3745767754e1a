import { randomBytes } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import {
  authenticationProofSchema,
  decodeBase64url,
  decodePayload,
  encodeBase64url,
  LIMITS,
  negotiateVersion,
  type AuthenticationProof,
  type DeviceId,
  type RequestOf,
  type ResponseOf,
  type Signed,
  type TenantId,
} from '@parley/protocol';
import { CLOCK, type Clock } from '../clock/clock.port.ts';
import { Refusal } from '../refusal.ts';
import { ClusterIdentity } from './cluster-identity.ts';
import type { ConnectionContext } from './connection-context.ts';
import { deviceIdOf, sha256 } from './digest.ts';
import { isSignatureValid } from './ed25519.ts';

const NONCE_BYTES = 32;

/** A device that proved its key on this connection just now. */
export interface ProvenDevice {
  readonly tenant: TenantId;
  readonly deviceId: DeviceId;
  /** Base64url of the raw key, as in device lists. */
  readonly deviceKey: string;
}

/** Hands out nonces and verifies what devices sign over them (DESIGN 6.1). */
@Injectable()
export class DeviceProofs {
  constructor(
    private readonly cluster: ClusterIdentity,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** Gives the connection a new nonce; the one before it is forgotten. */
  challenge(connection: ConnectionContext, request: RequestOf<'challenge'>): ResponseOf<'challenge'> {
    const version = negotiateVersion(request.versions);
    if (version === undefined) throw new Refusal('UNSUPPORTED_VERSION');
    const nonce = encodeBase64url(randomBytes(NONCE_BYTES));
    connection.challenge = { nonce, expiresAt: this.clock.monotonic() + LIMITS.challengeLifetimeMs };
    return {
      version,
      clusterId: this.cluster.clusterId,
      serverId: this.cluster.serverId,
      nonce,
      expiresInMs: LIMITS.challengeLifetimeMs,
    };
  }

  /**
   * Verifies a proof for `purpose` over `token` (the empty string where there is none). The connection's nonce is used
   * up whatever the outcome.
   *
   * @throws Refusal CHALLENGE_EXPIRED, BAD_PROOF
   */
  verify(
    connection: ConnectionContext,
    signed: Signed,
    purpose: AuthenticationProof['purpose'],
    token: string,
  ): ProvenDevice {
    const challenge = connection.challenge;
    connection.challenge = undefined;
    if (!challenge || challenge.expiresAt <= this.clock.monotonic()) throw new Refusal('CHALLENGE_EXPIRED');
    if (!isSignatureValid('authentication', signed)) throw new Refusal('BAD_PROOF');
    const proof = decodePayload(authenticationProofSchema, signed);
    if (!proof) throw new Refusal('BAD_PROOF');
    if (proof.nonce !== challenge.nonce) throw new Refusal('CHALLENGE_EXPIRED');
    const covers =
      proof.purpose === purpose &&
      proof.clusterId === this.cluster.clusterId &&
      proof.serverId === this.cluster.serverId &&
      proof.tokenHash === sha256(token) &&
      proof.deviceKey === signed.signer;
    if (!covers) throw new Refusal('BAD_PROOF');
    const key = decodeBase64url(proof.deviceKey);
    if (!key) throw new Refusal('BAD_PROOF');
    return { tenant: proof.tenant, deviceId: deviceIdOf(key), deviceKey: proof.deviceKey };
  }
}
