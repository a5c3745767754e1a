import { Inject, Injectable } from '@nestjs/common';
import { formatTimeLimitedUsername, timeLimitedPassword } from '@parley/nat';
import { nodeCrypto, type TurnServerControl } from '@parley/nat/node';
import { CLOCK, type Clock } from '../clock/clock.port.ts';
import { IDENTITY_CONFIG } from '../config/config.module.ts';
import type { IdentityConfig } from '../config/config.schema.ts';
import { credentialIdOf, tenantRefOf, type TurnCredentialOwner } from './turn-credential-ids.ts';
import { TURN_SECRETS, type TurnSecrets } from './turn-secrets.port.ts';

/** A time-limited TURN credential (DESIGN 7). */
export interface IssuedTurnCredential {
  readonly username: string;
  readonly password: string;
  readonly ttlSeconds: number;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

/** Issues and revokes TURN credentials, and knows what a relay must be told to judge them: secrets and revocations. */
@Injectable()
export class TurnCredentials {
  private readonly secrets = new Map<string, string>();
  /** Credential id to the last expiry (epoch seconds) that is refused. */
  private readonly revocations = new Map<string, number>();

  constructor(
    @Inject(TURN_SECRETS) private readonly store: TurnSecrets,
    @Inject(IDENTITY_CONFIG) private readonly config: Pick<IdentityConfig, 'turnCredentialSeconds'>,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  async load(): Promise<void> {
    await this.learn();
  }

  /** What a relay must be told of tenants that were not known here until now: other supernodes issue for them. */
  async learn(): Promise<readonly TurnServerControl[]> {
    const fresh = (await this.store.all()).filter(({ tenantId }) => !this.secrets.has(tenantId));
    for (const { tenantId, secret } of fresh) this.secrets.set(tenantId, secret);
    return fresh.map(({ tenantId, secret }) => setSecret(tenantId, secret));
  }

  /** Everything a relay that knows nothing must be told. */
  replay(): readonly TurnServerControl[] {
    this.forgetOldRevocations();
    return [
      ...[...this.secrets].map(([tenantId, secret]) => setSecret(tenantId, secret)),
      ...[...this.revocations].map(([credentialId, until]) => revocation(credentialId, until)),
    ];
  }

  /**
   * Undefined for an unknown tenant. `learnt` is what the relay must be told first, where the tenant is new since the start.
   */
  async issue(
    owner: Required<TurnCredentialOwner>,
  ): Promise<{ credential: IssuedTurnCredential; learnt: readonly TurnServerControl[] } | undefined> {
    const found = await this.secretOf(owner.tenantId);
    if (found === undefined) return undefined;
    const { secret, learnt } = found;
    const credentialId = credentialIdOf(owner, secret);
    const ttlSeconds = this.config.turnCredentialSeconds;
    const nowSeconds = Math.floor(this.clock.now() / 1000);
    // Whoever is admitted again in the second of a revocation gets a name that the revocation does not cover.
    const expiresAtEpochSeconds = Math.max(
      nowSeconds + ttlSeconds,
      this.lastRefusedExpiry(owner, secret) + 1,
    );
    const username = formatTimeLimitedUsername({ expiresAtEpochSeconds, credentialId });
    const password = timeLimitedPassword(nodeCrypto, secret, username);
    return {
      credential: { username, password, ttlSeconds, expiresAt: expiresAtEpochSeconds * 1000 },
      learnt,
    };
  }

  /** What to tell the relay; undefined for an unknown tenant, which has no credentials. */
  async revoke(owner: TurnCredentialOwner): Promise<readonly TurnServerControl[]> {
    const found = await this.secretOf(owner.tenantId);
    if (found === undefined) return [];
    this.forgetOldRevocations();
    const credentialId = credentialIdOf(owner, found.secret);
    const until = Math.floor(this.clock.now() / 1000) + this.config.turnCredentialSeconds;
    this.revocations.set(credentialId, Math.max(until, this.revocations.get(credentialId) ?? 0));
    return [...found.learnt, revocation(credentialId, until)];
  }

  private async secretOf(
    tenantId: string,
  ): Promise<{ secret: string; learnt: readonly TurnServerControl[] } | undefined> {
    const known = this.secrets.get(tenantId);
    if (known !== undefined) return { secret: known, learnt: [] };
    const secret = await this.store.find(tenantId);
    if (secret === undefined) return undefined;
    this.secrets.set(tenantId, secret);
    return { secret, learnt: [setSecret(tenantId, secret)] };
  }

  private lastRefusedExpiry(
    { tenantId, userId, deviceId }: Required<TurnCredentialOwner>,
    secret: string,
  ): number {
    const ids = [
      credentialIdOf({ tenantId, userId }, secret),
      credentialIdOf({ tenantId, userId, deviceId }, secret),
    ];
    return Math.max(...ids.map((id) => this.revocations.get(id) ?? 0));
  }

  private forgetOldRevocations(): void {
    const nowSeconds = this.clock.now() / 1000;
    for (const [credentialId, until] of this.revocations) {
      if (until < nowSeconds) this.revocations.delete(credentialId);
    }
  }
}

function setSecret(tenantId: string, secret: string): TurnServerControl {
  return { kind: 'set-secrets', tenantRef: tenantRefOf(tenantId), secrets: [secret] };
}

function revocation(credentialId: string, untilEpochSeconds: number): TurnServerControl {
  return { kind: 'revoke', credentialId, untilEpochSeconds };
}
